import type { Identity } from './identity.entity.ts';
import type { SenderProfile } from './sender-profile.entity.ts';
import { CannotSendError } from './sending-errors.ts';

/** Why the identity itself cannot be sent as; null when it can, as far as that is known. Pure. */
export function whyIdentityCannotSend(
  {
    emailAddress,
    status,
    problem,
    removedAt,
  }: Pick<Identity, 'emailAddress' | 'status' | 'problem' | 'removedAt'>,
  profile: SenderProfile | null,
): CannotSendError | null {
  if (removedAt) return notAvailable();
  if (status === 'DENIED') {
    return new CannotSendError(
      'IDENTITY_DENIED',
      problem?.message ?? `Microsoft does not let the account send as ${emailAddress}.`,
      problem?.remedy ??
        'Give it the right Send As in Exchange, and run verifyMailboxAccess with `testMessageTo`, or for another address than the primary one addSendAsAddress.',
    );
  }
  if (status === 'GONE') {
    return new CannotSendError(
      'IDENTITY_GONE',
      problem?.message ?? `The mailbox no longer has the address ${emailAddress}.`,
      problem?.remedy ?? 'Give it back in Exchange and run refreshAccount.',
    );
  }
  if (profile) return null;
  return new CannotSendError(
    'IDENTITY_WITHOUT_PROFILE',
    `${emailAddress} has no sender profile, so nothing is sent as it.`,
    'Give it one with assignSenderProfile.',
  );
}

/** The answer for what does not exist, was removed, or is somebody else's own. */
export function notAvailable(): CannotSendError {
  return new CannotSendError(
    'IDENTITY_NOT_AVAILABLE',
    'There is no such identity to send as.',
    'Take one of Ticket.identities or Mailbox.identities; one that was removed is added again with addSendAsAddress.',
  );
}

/** The organization does not let people send from their own mailboxes. */
export function personalNotAllowed(): CannotSendError {
  return new CannotSendError(
    'PERSONAL_SENDER_NOT_ALLOWED',
    'The organization does not let people send from their own mailboxes.',
    'Send from a mailbox of the team; or allow it with updateOutgoingPolicy.',
  );
}
