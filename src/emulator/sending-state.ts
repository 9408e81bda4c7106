import type { Delivery } from './delivery-ledger.ts';
import type { MailContent } from './mail-content.ts';
import type { StoredMessage } from './mailbox.ts';
import { type SendingRules, type SendingRulesInput, USUAL_SENDING_RULES } from './sending-rules.ts';

/** A mail that was taken and is not yet everywhere where it belongs. Instants are milliseconds since 1970. */
export interface MailUnderWay {
  /** Whose mailbox it is sent from. */
  ownerId: string;
  /** The person who sends; null for an application. */
  callerId: string | null;
  /** As recipients get it. */
  mail: MailContent;
  /** The draft that becomes the copy in Sent Items; null when the copy is a new message or there is none. */
  draft: StoredMessage | null;
  /** Mailboxes that get a copy into Sent Items. */
  copyTo: string[];
  deliverAt: number;
  copyAt: number;
  isDelivered: boolean;
  isCopied: boolean;
}

/** What a mailbox has sent lately. */
export interface SendingUsage {
  /** When the latest messages left or will leave, ascending. */
  startedAt: number[];
  /** Recipients of the last 24 hours, oldest first. */
  recipients: { at: number; count: number }[];
}

/** What Exchange knows of sending. */
export interface SendingState {
  everywhere: SendingRulesInput;
  /** By user id. */
  byMailbox: Map<string, SendingRulesInput>;
  /** By user id. */
  usage: Map<string, SendingUsage>;
  underWay: MailUnderWay[];
  /** By `deliveryKey`; nothing that happens to the messages takes anything away from it. */
  deliveries: Map<string, Delivery>;
}

/** Nothing was sent, and no rule is other than usual. */
export function createSendingState(): SendingState {
  return {
    everywhere: {},
    byMailbox: new Map(),
    usage: new Map(),
    underWay: [],
    deliveries: new Map(),
  };
}

/** The rules of a mailbox: its own before those for all. */
export function rulesOf(state: { sending: SendingState }, userId: string): SendingRules {
  const { everywhere, byMailbox } = state.sending;
  return { ...USUAL_SENDING_RULES, ...everywhere, ...byMailbox.get(userId) } as SendingRules;
}
