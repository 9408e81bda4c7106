import type { Reads } from '../platform/read-batch.ts';
import type { PreparedMail } from './prepare-mail.ts';
import { STORM_WINDOW, type StormLimits, StormWatch } from './storm.ts';

/** How many of a sender's messages are looked at, as a multiple of the higher limit: replies stand between openings. */
const LOOK_BACK = 4;

/**
 * Loads what the senders of a page sent in the hour before, in one read however many mails there are. Null when the
 * organization has no limit.
 */
export async function loadStorm(
  reads: Reads,
  organizationId: string,
  mails: readonly PreparedMail[],
  limits: StormLimits,
  now: Date,
): Promise<StormWatch | null> {
  const highest = Math.max(limits.perSender ?? 0, limits.perTicket ?? 0);
  if (highest === 0) return null;
  const watch = new StormWatch(limits);
  const spans = new Map<string, { address: string; since: number; until: number }>();
  for (const { thread, summary } of mails) {
    const address = thread.senderAddress;
    if (address === null) continue;
    const at = (summary.receivedAt ?? now).getTime();
    const { since, until } = spans.get(address) ?? { since: at, until: at };
    spans.set(address, { address, since: Math.min(since, at), until: Math.max(until, at) });
  }
  if (spans.size === 0) return watch;
  const senders = [...spans.values()].map(({ address, since, until }) => ({
    address,
    since: new Date(since - STORM_WINDOW),
    until: new Date(until),
  }));
  const rows = await reads.execute<
    {
      address: string;
      received_at: string;
      outcome: string;
      reason: string;
      ticket_id: string;
      number: number;
      closed_at: string | null;
    }[]
  >(
    `select sender.address, seen.received_at, seen.outcome, seen.reason, ticket.id as ticket_id, ticket.number,
       ticket.closed_at
     from json_to_recordset(?::json) as sender(address text, since timestamptz, until timestamptz)
     cross join lateral (
       select received_at, outcome, reason, ticket_id from inbound_message
       where organization_id = ? and from_address = sender.address and message_id is not null
         and received_at > sender.since and received_at <= sender.until
       order by received_at desc limit ?
     ) as seen
     join ticket on ticket.organization_id = ? and ticket.id = seen.ticket_id
     order by seen.received_at`,
    [JSON.stringify(senders), organizationId, LOOK_BACK * highest, organizationId],
  );
  for (const row of rows) {
    const closedAt = row.closed_at === null ? null : new Date(row.closed_at);
    watch.count(row.address, {
      ticket: { id: row.ticket_id, number: row.number, closedAt },
      receivedAt: new Date(row.received_at),
      isOpening: row.outcome === 'TICKET_CREATED' || row.reason === 'STORM',
      isStorm: row.reason === 'STORM',
    });
  }
  return watch;
}
