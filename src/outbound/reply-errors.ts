import { ExpectedError } from '../errors.ts';

/** Nobody is left to whom the mail could go. */
export class NoRecipientError extends ExpectedError {
  constructor(dropped: readonly string[]) {
    const why = dropped.length === 0 ? '' : `: ${dropped.slice(0, 5).join(', ')} cannot be answered`;
    super(
      'NO_RECIPIENT',
      `There is nobody whom the reply could go to${why}.`,
      'Name the recipients in `to`. Our own mailboxes are never among them; a machine is, when it is named.',
    );
  }
}

/** More recipients than Exchange takes. */
export class TooManyRecipientsError extends ExpectedError {
  constructor(count: number, limit: number) {
    super(
      'TOO_MANY_RECIPIENTS',
      `The mail has ${count} recipients; Exchange takes at most ${limit}.`,
      'Leave some out, or write to a distribution list.',
    );
  }
}

/** The files of a mail are larger together than Exchange takes. */
export class MessageTooLargeError extends ExpectedError {
  constructor(bytes: number, limit: number) {
    super(
      'MESSAGE_TOO_LARGE',
      `The files of the mail have ${bytes} bytes together; at most ${limit} can be sent.`,
      'Send fewer or smaller files, or a link to them.',
    );
  }
}

/** A file that is to be sent is not here. */
export class FileNotStoredError extends ExpectedError {
  constructor(name: string) {
    super(
      'ATTACHMENT_NOT_STORED',
      `The content of "${name}" is not here, so it cannot be sent.`,
      'Wait until its state is STORED, or upload the file.',
    );
  }
}

/** An upload whose content has not come yet. */
export class UploadIncompleteError extends ExpectedError {
  constructor(name: string) {
    super(
      'UPLOAD_INCOMPLETE',
      `The content of the upload "${name}" has not come yet.`,
      'Send it with PUT to the `uploadUrl` of the upload, then try again.',
    );
  }
}

/** A name of a request that another request had before. */
export class IdempotencyKeyReusedError extends ExpectedError {
  constructor() {
    super(
      'IDEMPOTENCY_KEY_REUSED',
      'The idempotency key was used before, for another ticket or with another content.',
      'Make a new key for every new mail; repeat one only to repeat the same request. What was sent with it is in the ticket.',
    );
  }
}
