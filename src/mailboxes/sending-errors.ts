import { ExpectedError } from '../errors.ts';
import type { Problem } from '../platform/problem.ts';

/** Why nothing is sent from a mailbox, or as an identity. */
export type CannotSendCode =
  | 'ACCOUNT_DISCONNECTED'
  | 'CONSENT_REQUIRED'
  | 'CREDENTIAL_REFUSED'
  | 'IDENTITY_DENIED'
  | 'IDENTITY_GONE'
  | 'IDENTITY_NOT_AVAILABLE'
  | 'IDENTITY_WITHOUT_PROFILE'
  | 'MAILBOX_REMOVED'
  | 'NO_IDENTITY'
  | 'OUTGOING_DISABLED'
  | 'PERSONAL_SENDER_NOT_ALLOWED'
  | 'SENDING_BLOCKED'
  | 'SIGN_IN_REQUIRED';

/** Nothing can be sent from there, or as this; said before anybody writes. */
export class CannotSendError extends ExpectedError {
  declare readonly code: CannotSendCode;

  constructor(code: CannotSendCode, message: string, remedy: string) {
    super(code, message, remedy);
  }

  /** What to show with a mailbox or an identity, or to store with a mail that waits. */
  toProblem(since: Date): Problem {
    const { code, message, remedy } = this;
    return { code, message, remedy, since: since.toISOString() };
  }
}

/** The primary address of a mailbox is always one of its identities. */
export class PrimaryIdentityError extends ExpectedError {
  constructor(emailAddress: string) {
    super(
      'PRIMARY_IDENTITY',
      `${emailAddress} is the primary address of its mailbox, which cannot be taken from it.`,
      'Switch sending off with `updateOutgoingSettings`, or make another identity the default there.',
    );
  }
}

/** A mailbox has as many identities as it may. */
export class TooManyIdentitiesError extends ExpectedError {
  constructor(limit: number) {
    super(
      'TOO_MANY_IDENTITIES',
      `A mailbox has at most ${limit} identities.`,
      'Remove identities that nobody sends as with `removeIdentity`.',
    );
  }
}

/** Another sender profile of the organization has this name, be it in another case. */
export class SenderProfileNameTakenError extends ExpectedError {
  constructor() {
    super(
      'SENDER_PROFILE_NAME_TAKEN',
      'Another sender profile has this name.',
      'Choose another name, or use the sender profile that there is.',
    );
  }
}

/** Identities use the sender profile, and would not send without one. */
export class SenderProfileInUseError extends ExpectedError {
  constructor(count: number) {
    super(
      'SENDER_PROFILE_IN_USE',
      `The sender profile cannot be deleted: ${count === 1 ? 'one identity uses' : `${count} identities use`} it.`,
      'Give them another one with `assignSenderProfile` first.',
    );
  }
}

/** The organization has as many sender profiles as it may. */
export class TooManySenderProfilesError extends ExpectedError {
  constructor(limit: number) {
    super(
      'TOO_MANY_SENDER_PROFILES',
      `An organization has at most ${limit} sender profiles.`,
      'Delete sender profiles that no identity uses.',
    );
  }
}
