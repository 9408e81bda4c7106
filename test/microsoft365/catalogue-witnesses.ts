import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SendingCode } from '../../src/graphql/error-codes.ts';

/** A test that makes a code happen and demands it, by its file under `test/` and the beginning of its title. */
export type Witness = readonly [file: string, title: string];

/**
 * The codes of sending that take more than an answer of Microsoft: the tests of what they are about make them happen. Those
 * that Microsoft's answers come to are produced like all others.
 */
export const WITNESSES = {
  ACCOUNT_DISCONNECTED: ['mailboxes/outgoing-settings.test.ts', 'a disconnected account: sending is off'],
  CONSENT_REQUIRED: ['mailboxes/outgoing-settings.test.ts', 'a sign-in without Mail.Send'],
  MAILBOX_REMOVED: ['mailboxes/outgoing-settings.test.ts', 'a removed mailbox'],
  OUTGOING_DISABLED: ['send/send-table.test.ts', 'incoming and outgoing are switched on separately'],
  CREDENTIAL_REFUSED: ['send/sending-refusals.test.ts', 'an account that cannot act'],
  SIGN_IN_REQUIRED: ['send/sending-refusals.test.ts', 'an account that cannot act'],

  ADDRESSES_NOT_READABLE: [
    'mailboxes/identities.test.ts',
    'of a shared mailbox whose addresses may not be read',
  ],
  IDENTITY_DENIED: ['send/send-table-mailboxes.test.ts', 'without Send As the reply fails'],
  IDENTITY_GONE: ['mailboxes/identities.test.ts', 'an address that disappears is GONE'],
  IDENTITY_NOT_AVAILABLE: ['send/send-table-mailboxes.test.ts', 'agents send from their own mailboxes'],
  IDENTITY_WITHOUT_PROFILE: ['send/send-table.test.ts', 'one without a sender profile does not send'],
  NO_IDENTITY: ['send/sending-refusals.test.ts', 'a ticket of no mailbox'],
  PERSONAL_SENDER_NOT_ALLOWED: ['send/send-table-mailboxes.test.ts', 'agents send from their own mailboxes'],
  PRIMARY_IDENTITY: ['mailboxes/identities.test.ts', 'the primary address stays'],
  SENDER_PROFILE_IN_USE: ['mailboxes/sender-profiles.test.ts', 'one that identities use is not deleted'],
  SENDER_PROFILE_NAME_TAKEN: ['mailboxes/sender-profiles.test.ts', 'a name that another one has'],
  TOO_MANY_IDENTITIES: ['send/sending-refusals.test.ts', 'one identity, and one sender profile, too many'],
  TOO_MANY_SENDER_PROFILES: [
    'send/sending-refusals.test.ts',
    'one identity, and one sender profile, too many',
  ],

  ATTACHMENT_NOT_STORED: ['send/sending-refusals.test.ts', 'a file of a message whose content is not here'],
  IDEMPOTENCY_KEY_REUSED: ['outbound/reply.test.ts', 'that was changed is refused under the same key'],
  NO_RECIPIENT: ['outbound/reply.test.ts', 'a mail to nobody but ourselves'],
  TEMPLATE_INVALID: ['outbound/mail-templates.test.ts', 'that are faulty are refused'],
  TOO_MANY_RECIPIENTS: ['outbound/reply.test.ts', 'more recipients than Exchange takes'],
  TOO_MANY_UPLOADS: ['outbound/uploads.test.ts', 'one too many of a user'],
  UPLOAD_INCOMPLETE: ['outbound/reply.test.ts', 'are refused while their content is not here'],
  UPLOAD_SIZE_MISMATCH: ['outbound/uploads.test.ts', 'has exactly the size that was announced'],

  DRAFT_DELETED: ['outbound/outbox-loss.test.ts', 'DRAFT_DELETED'],
  FILE_MISSING: ['outbound/outbox-loss.test.ts', 'FILE_MISSING'],
  OUTBOUND_MESSAGE_NOT_FAILED: ['outbound/outbox.test.ts', 'what fails for a reason of the settings'],
  OUTBOUND_MESSAGE_NOT_QUEUED: ['outbound/outbox.test.ts', 'what is being sent cannot be cancelled'],
  SEND_NOT_CONFIRMED: ['outbound/send-not-confirmed.test.ts', 'a reply whose send was unclear'],
  SEND_UNCLEAR: ['outbound/outbox-loss.test.ts', 'SEND_UNCLEAR'],
  SENDING_LIMIT_NEAR: ['send/send-table.test.ts', 'how much of the limits is used is shown'],
  SENT_COPY_ELSEWHERE: ['outbound/outbox-loss.test.ts', 'SENT_COPY_ELSEWHERE'],
  SENT_COPY_MISSING: ['send/send-table-mailboxes.test.ts', 'a copy that Exchange files elsewhere'],
} as const satisfies Partial<Record<SendingCode, Witness>>;

/** The source of a test, with its title; null when there is none that begins like this. */
export function testOf([file, title]: Witness): string | null {
  const source = readFileSync(join(import.meta.dirname, '..', file), 'utf8');
  const start = source.indexOf(`test('${title}`);
  if (start === -1) return null;
  const end = source.slice(start + 1).search(/^ *(test|describe)\b/m);
  return end === -1 ? source.slice(start) : source.slice(start, start + 1 + end);
}
