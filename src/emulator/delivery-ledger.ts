import type { MailContent } from './mail-content.ts';
import { headerOf } from './message-view.ts';

/** What became of a mail at one recipient. */
export const DELIVERY_OUTCOMES = ['DELIVERED', 'BOUNCED', 'OUTSIDE', 'GROUP'] as const;

/** One mail at one recipient, and how often it got there: more than once is a fault of whoever sent it. */
export interface Delivery {
  /** The header `X-Deskgraph-Outbound-Message`; null for other mail. */
  outboundMessage: string | null;
  internetMessageId: string;
  /** In lower case. */
  recipient: string;
  /** In lower case. */
  from: string;
  outcome: (typeof DELIVERY_OUTCOMES)[number];
  count: number;
  firstAt: number;
  lastAt: number;
}

/** Which of them to tell. */
export interface DeliveryQuery {
  outboundMessage?: string | undefined;
  internetMessageId?: string | undefined;
  recipient?: string | undefined;
  from?: string | undefined;
}

/** More than these are not kept: the oldest go. */
const MOST_DELIVERIES = 1_000_000;

/** Writes down that a mail reached a recipient, or did not. */
export function recordDelivery(
  deliveries: Map<string, Delivery>,
  mail: MailContent,
  recipient: string,
  outcome: Delivery['outcome'],
  now: number,
): void {
  const outboundMessage = headerOf(mail, 'x-deskgraph-outbound-message') ?? null;
  const key = [outcome, outboundMessage ?? '', mail.internetMessageId, recipient].join('\0');
  const known = deliveries.get(key);
  if (known !== undefined) {
    known.count += 1;
    known.lastAt = now;
    return;
  }
  if (deliveries.size >= MOST_DELIVERIES) deliveries.delete(deliveries.keys().next().value ?? '');
  deliveries.set(key, {
    outboundMessage,
    internetMessageId: mail.internetMessageId,
    recipient,
    from: mail.from?.address.toLowerCase() ?? '',
    outcome,
    count: 1,
    firstAt: now,
    lastAt: now,
  });
}

/** Those that a query is about, in order of their first arrival. */
export function findDeliveries(deliveries: Map<string, Delivery>, query: DeliveryQuery): Delivery[] {
  const wanted = Object.entries(query).filter(([, value]) => value !== undefined);
  return [...deliveries.values()].filter((delivery) =>
    wanted.every(([name, value]) => delivery[name as keyof DeliveryQuery] === value),
  );
}
