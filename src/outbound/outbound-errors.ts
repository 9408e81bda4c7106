import { ExpectedError } from '../errors.ts';

/** The mail is on its way, or at its end: it cannot be cancelled. */
export class OutboundMessageNotQueuedError extends ExpectedError {
  constructor(isOnItsWay: boolean) {
    super(
      'OUTBOUND_MESSAGE_NOT_QUEUED',
      isOnItsWay
        ? 'The mail is being sent and cannot be cancelled any more.'
        : 'The mail does not wait any more, so there is nothing to cancel.',
      'Look at its state: what was sent cannot be taken back, what has failed is not sent unless somebody retries it.',
    );
  }
}

/** The mail did not fail. */
export class OutboundMessageNotFailedError extends ExpectedError {
  constructor() {
    super(
      'OUTBOUND_MESSAGE_NOT_FAILED',
      'The mail did not fail, so there is nothing to try again.',
      'Look at its state. What bounced, or was cancelled, is written anew as another reply.',
    );
  }
}
