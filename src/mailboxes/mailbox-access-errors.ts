import { ExpectedError } from '../errors.ts';
import type { Problem } from '../platform/problem.ts';

/** Why an account may not use a mailbox. */
export type MailboxAccessCode =
  | 'CONSENT_REQUIRED'
  | 'MAILBOX_ACCESS_DENIED'
  | 'MAILBOX_IS_GROUP'
  | 'MAILBOX_NOT_ENABLED'
  | 'MAILBOX_NOT_FOUND'
  | 'SEND_AS_DENIED';

/** An account may not use a mailbox; the remedy has the steps for just this account and mailbox. */
export class MailboxAccessError extends ExpectedError {
  declare readonly code: MailboxAccessCode;
  /** What Microsoft said, for its support; null when it was not asked. */
  readonly microsoft: Pick<Problem, 'microsoftCode' | 'requestId'>;

  constructor(
    code: MailboxAccessCode,
    message: string,
    remedy: string,
    microsoft: Pick<Problem, 'microsoftCode' | 'requestId'> = {},
  ) {
    super(code, message, remedy);
    this.microsoft = microsoft;
  }
}

/** The organization has connected the mailbox through another account: one mailbox is read once. */
export class MailboxAlreadyConnectedError extends ExpectedError {
  constructor(emailAddress: string, accountName: string) {
    super(
      'ALREADY_CONNECTED',
      `The mailbox ${emailAddress} is connected already, through the account ${accountName}.`,
      'Use it as it is; or remove it with removeMailbox and add it with the other account: settings, tickets and the ledger stay, and no mail is taken in twice.',
    );
  }
}
