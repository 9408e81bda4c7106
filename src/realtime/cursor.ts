import { ExpectedError } from '../errors.ts';

/**
 * Where an event stands in the log: first by the transaction that wrote it, then by its number. Both are 64-bit, so
 * they are bigints. event-log.ts says why the number alone would not do.
 */
export interface LogPosition {
  readonly transaction: bigint;
  readonly position: bigint;
}

/** The largest values of PostgreSQL's `xid8` and `bigint`. */
const MAX_TRANSACTION = 2n ** 64n - 1n;
const MAX_POSITION = 2n ** 63n - 1n;

/** A cursor that this server did not make. */
export class InvalidEventCursorError extends ExpectedError {
  constructor() {
    super(
      'INVALID_CURSOR',
      'The cursor is malformed.',
      'Pass a cursor exactly as an event brought it, or leave it out to start from now.',
    );
  }
}

/** A cursor whose following events are no longer kept. */
export class CursorExpiredError extends ExpectedError {
  constructor() {
    super(
      'CURSOR_EXPIRED',
      'Events that followed this cursor are no longer kept, so resuming from it would leave a gap.',
      'Read the current state with a query, then subscribe again without a cursor.',
    );
  }
}

/** Negative when `left` comes first, positive when `right` does, zero when they are the same. */
export function comparePositions(left: LogPosition, right: LogPosition): number {
  if (left.transaction !== right.transaction) return left.transaction < right.transaction ? -1 : 1;
  if (left.position !== right.position) return left.position < right.position ? -1 : 1;
  return 0;
}

/** The opaque cursor of a position: what clients keep and hand back. */
export function encodeCursor({ transaction, position }: LogPosition): string {
  return Buffer.from(`${transaction}.${position}`).toString('base64url');
}

/** The position of a cursor. Throws {@link InvalidEventCursorError} for anything that {@link encodeCursor} did not make. */
export function decodeCursor(cursor: string): LogPosition {
  if (cursor.length > 64) throw new InvalidEventCursorError();
  const match = /^(\d{1,20})\.(\d{1,19})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  const [, transaction, position] = match ?? [];
  if (transaction === undefined || position === undefined) throw new InvalidEventCursorError();
  const decoded = { transaction: BigInt(transaction), position: BigInt(position) };
  const isPossible = decoded.transaction <= MAX_TRANSACTION && decoded.position <= MAX_POSITION;
  // Base64 and numbers have several spellings (padding, leading zeros); only ours counts.
  if (!isPossible || encodeCursor(decoded) !== cursor) throw new InvalidEventCursorError();
  return decoded;
}
