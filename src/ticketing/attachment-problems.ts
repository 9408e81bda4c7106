import { GraphError } from '../microsoft365/graph-error.ts';
import { postponementOf } from '../microsoft365/graph-postpone.ts';
import { SECOND } from '../platform/clock.ts';
import { ObjectStorageUnavailableError } from '../platform/object-storage.ts';
import type { Problem } from '../platform/problem.ts';
import { ContentTooLargeError } from './attachment-content.ts';
import { type AttachmentLimits, tooLarge, tooMuch } from './attachment-rows.ts';

/** Attachment ids change when a mail moves; after this many attempts a missing attachment is really gone. */
const ATTEMPTS_TO_FIND = 3;

/** How far the attempts have come, and when. */
export interface AttemptFacts {
  attempt: number;
  isLastAttempt: boolean;
  limits: AttachmentLimits;
  now: Date;
}

/** What becomes of a file of `sizeBytes` (as Microsoft tells it) after a failure; null when it shall be tried again. */
export function fileOutcome(
  error: Error,
  sizeBytes: number,
  { attempt, isLastAttempt, limits, now }: AttemptFacts,
): { state: 'TOO_LARGE' | 'FAILED'; problem: Problem } | null {
  if (error instanceof ContentTooLargeError) {
    const isAlone = error.maxBytes >= limits.maxFileBytes || sizeBytes > limits.maxFileBytes;
    return { state: 'TOO_LARGE', problem: (isAlone ? tooLarge : tooMuch)(limits, sizeBytes, now) };
  }
  const isGone = isNotFound(error) && attempt >= ATTEMPTS_TO_FIND;
  return isGone || isLastAttempt ? { state: 'FAILED', problem: problemOf(error, now) } : null;
}

/** Between tries to reach a storage that cannot be used. */
const STORAGE_MILLISECONDS = 30 * SECOND;

/**
 * After how many milliseconds to try again, when the try does not count: no mail is to blame that Microsoft throttles, or
 * that the storage is away. Null when it counts.
 */
export function postponementOfFile(error: Error): number | null {
  return error instanceof ObjectStorageUnavailableError ? STORAGE_MILLISECONDS : postponementOf(error);
}

/** Why a mail's files will never be here, after listing or describing them failed; null when it shall be tried again. */
export function mailProblem(error: Error, { isLastAttempt, now }: AttemptFacts): Problem | null {
  if (isNotFound(error)) return mailGone(now);
  return isLastAttempt ? problemOf(error, now) : null;
}

function isNotFound(error: Error): boolean {
  return error instanceof GraphError && error.code === 'ITEM_NOT_FOUND';
}

function problemOf(error: Error, now: Date): Problem {
  return error instanceof GraphError ? error.toProblem(now) : notStored(now);
}

function mailGone(now: Date): Problem {
  return {
    code: 'ITEM_NOT_FOUND',
    message: 'The mail was deleted from the mailbox before this file could be fetched.',
    remedy: 'Ask the sender to send it again.',
    since: now.toISOString(),
  };
}

function notStored(now: Date): Problem {
  return {
    code: 'ATTACHMENT_NOT_STORED',
    message: 'The file could not be stored, however often it was tried.',
    remedy:
      'Try it again with `retryAttachment`; if it fails again, open the message in the mailbox to get it, and look for the cause in the log.',
    since: now.toISOString(),
  };
}
