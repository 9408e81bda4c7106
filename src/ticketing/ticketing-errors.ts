import { ExpectedError } from '../errors.ts';

/** Somebody else changed the ticket since the caller read it. */
export class TicketChangedError extends ExpectedError {
  constructor(number: number) {
    super(
      'TICKET_CHANGED',
      `Ticket #${number} was changed by somebody else since it was read.`,
      'Read the ticket again, look at what changed, and repeat the change with its new version.',
    );
  }
}

/** The bodies that an operation asks for have more bytes than it may load. */
export class MessageBodiesTooLargeError extends ExpectedError {
  constructor(bytes: number, limit: number) {
    super(
      'LIMIT_EXCEEDED',
      `The bodies of messages that the operation asks for have ${bytes} bytes; at most ${limit} are allowed.`,
      'Ask for fewer messages a page, or for `strippedText` instead of `text` and `html`.',
    );
  }
}

/** The assignee cannot work on tickets: unknown, of another organization, or disabled. */
export class AssigneeNotAvailableError extends ExpectedError {
  constructor() {
    super(
      'ASSIGNEE_NOT_AVAILABLE',
      'The assignee is not an active user of this organization.',
      'Choose another user, or leave the ticket unassigned.',
    );
  }
}

/** The file has not failed, or is not one file. */
export class AttachmentNotFailedError extends ExpectedError {
  constructor(message: string, remedy: string) {
    super('ATTACHMENT_NOT_FAILED', message, remedy);
  }
}
