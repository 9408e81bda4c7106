import { ExpectedError } from '../errors.ts';

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
      'Read `outcome` and `explanation` of the message for what became of it.',
    );
  }
}
