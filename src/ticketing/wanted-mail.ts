import type { InboundOutcome, InboundReason } from './inbound-message.entity.ts';
import type { AutomaticKind } from './machine-mail.ts';

/**
 * Why mail was ignored by a decision that a person may overrule: a rule or a setting was wrong, or somebody's mail was taken
 * for a machine's. Not among them: copies, which are in a ticket already; mail of tickets that were deleted; drafts.
 */
export const OVERRULABLE_REASONS = [
  'TICKETS_OFF',
  'MAIL_RULE',
  'AUTO_REPLY',
  'OUT_OF_OFFICE',
  'READ_RECEIPT',
  'BOUNCE',
  'CALENDAR_RESPONSE',
  'OWN_MAIL',
] as const satisfies readonly InboundReason[];

/** What a person wants in a ticket, though it was ignored. */
export interface WantedMail {
  /** How the ledger explained that it was ignored; null when it has failed since. */
  before: string | null;
}

/** Whether a row of the ledger was ignored for a reason that a person may overrule. */
export function isOverrulable({
  outcome,
  reason,
}: {
  outcome: InboundOutcome;
  reason: InboundReason;
}): boolean {
  return outcome === 'IGNORED' && (OVERRULABLE_REASONS as readonly InboundReason[]).includes(reason);
}

/** What is added to the explanation of mail that a person wanted. */
export function explainWanted({ before }: WantedMail, automatic: AutomaticKind | null): string {
  const asked =
    before === null
      ? 'A person asked for it.'
      : `A person asked for it, though it had been left alone (“${before}”).`;
  return automatic === null ? asked : `${asked} Nothing answers it by itself.`;
}
