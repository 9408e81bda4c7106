import { ExpectedError } from '../errors.ts';
import type { InboundReason } from '../ticketing/inbound-message.entity.ts';

/** A sync was asked for in a mailbox whose incoming mail is switched off. */
export class IncomingDisabledError extends ExpectedError {
  constructor() {
    super(
      'INCOMING_DISABLED',
      'Incoming mail is switched off for this mailbox, so there is nothing to sync.',
      'Switch it on with `updateIncomingSettings`.',
    );
  }
}

/** Only a message that failed can be tried again. */
export class InboundMessageNotFailedError extends ExpectedError {
  constructor() {
    super(
      'INBOUND_MESSAGE_NOT_FAILED',
      'This message has not failed, so there is nothing to try again.',
      'Read `outcome` and `explanation` of the message for what became of it. For one that was ignored and should be in a ticket give `openTicket: true`.',
    );
  }
}

const WHY_NOT_OPENED: Partial<Record<InboundReason, { message: string; remedy: string }>> = {
  DUPLICATE: {
    message: 'This message is a copy of one that is in a ticket already.',
    remedy:
      'Read `ticket` of the message: the original is there. `moveMessageToTicket` gives that one a ticket of its own.',
  },
  TICKET_DELETED: {
    message: 'This message belonged to a ticket that somebody deleted, or is a copy of mail that did.',
    remedy:
      'What was deleted does not come back. The mail is still in the mailbox, unless it was removed there.',
  },
  DRAFT: {
    message: 'This message is a draft, which nobody has sent.',
    remedy: 'Send it from the mailbox: what arrives is taken in.',
  },
};

/** A message that was ignored for a reason that nobody can overrule. */
export class TicketNotOpenedError extends ExpectedError {
  constructor(reason: InboundReason) {
    const { message, remedy } = WHY_NOT_OPENED[reason] ?? {
      message: 'This message was not ignored by a decision that can be overruled.',
      remedy: 'Read `reason` and `explanation` of the message.',
    };
    super('TICKET_NOT_OPENED', message, remedy);
  }
}

/** Existing mail was to be imported into a mailbox that opens no tickets. */
export class CreateTicketsOffError extends ExpectedError {
  constructor() {
    super(
      'CREATE_TICKETS_OFF',
      'This mailbox does not open tickets: existing mail would be ignored, and what the ledger has is never imported again.',
      'Set `createTickets: true` with `updateIncomingSettings`, import, and set it back when the import has ended.',
    );
  }
}
