import { randomBytes } from 'node:crypto';
import { graphDateTime } from './clock.ts';
import { GraphFault } from './graph-fault.ts';
import { newDefaultId } from './ids.ts';

/** Microsoft's bounds for a file that is uploaded in ranges (concepts/outlook-large-attachments.md). */
export const LEAST_UPLOAD_BYTES = 3 * 1024 * 1024;
export const MOST_UPLOAD_BYTES = 150 * 1024 * 1024;
/** No range may be longer. */
export const MOST_RANGE_BYTES = 4 * 1024 * 1024;

/** What is to be attached. */
export interface UploadItem {
  name: string;
  sizeBytes: number;
  contentType: string | null;
  contentId: string | null;
  isInline: boolean;
}

/** An upload under way. It lives in memory alone: a restart loses it, as Microsoft now and then does. */
export interface UploadSession {
  id: string;
  /** What makes its URL good without a token. */
  secret: string;
  userId: string;
  /** Of the draft; the immutable id. */
  messageId: string;
  item: UploadItem;
  /** The ranges so far. They are put together once, at the end: a large file is not copied for every range. */
  ranges: Buffer[];
  receivedBytes: number;
  expiresAt: number;
}

/** A range as `Content-Range` names it. */
export interface ByteRange {
  from: number;
  /** Inclusive. */
  to: number;
  total: number;
}

/** A session that has received nothing. */
export function newUploadSession(
  target: { userId: string; messageId: string },
  item: UploadItem,
  expiresAt: number,
): UploadSession {
  const secret = randomBytes(24).toString('base64url');
  return { id: newDefaultId(), secret, ...target, item, ranges: [], receivedBytes: 0, expiresAt };
}

/** The session as its URL answers. */
export function uploadJson(session: UploadSession) {
  return {
    ExpirationDateTime: graphDateTime(session.expiresAt),
    nextExpectedRanges: [String(session.receivedBytes)],
  };
}

/** Reads `Content-Range: bytes 0-99/1000`. Throws 400 when it is missing or says nothing that makes sense. */
export function readContentRange(header: string | undefined): ByteRange {
  const [, from, to, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header?.trim() ?? '') ?? [];
  const range = { from: Number(from), to: Number(to), total: Number(total) };
  if (total === undefined || range.to < range.from || range.to >= range.total) {
    throw new GraphFault(400, 'ErrorInvalidContentRange', 'The Content-Range header is missing or invalid.');
  }
  return range;
}

/**
 * Whether a range is the next one of a session. Throws 400 for one of another file or of an odd length, 413 for one that is
 * too long, 416 for one that is not the next: bytes are taken in order.
 */
export function assertNextRange(session: UploadSession, range: ByteRange, multipleBytes: number): void {
  const bytes = range.to - range.from + 1;
  if (range.total !== session.item.sizeBytes) {
    throw new GraphFault(400, 'ErrorInvalidContentRange', 'The total is not the size of the file.');
  }
  if (bytes > MOST_RANGE_BYTES) {
    throw new GraphFault(413, 'RequestEntityTooLarge', 'The maximum length of a range is 4MB.');
  }
  if (range.from !== session.receivedBytes) {
    const message = `The range begins at ${range.from}, expected is ${session.receivedBytes}.`;
    throw new GraphFault(416, 'ErrorInvalidRange', message);
  }
  if (range.to + 1 < range.total && bytes % multipleBytes !== 0) {
    throw new GraphFault(400, 'ErrorInvalidRange', `A range must be a multiple of ${multipleBytes} bytes.`);
  }
}
