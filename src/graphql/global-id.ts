import { validate as isUuid } from 'uuid';
import { NotFoundError } from '../errors.ts';

/** What a global id is made of: the name of the type and the row's UUID. */
export interface GlobalId {
  typename: string;
  id: string;
}

/** The opaque id of a row, as clients see it. */
export function encodeGlobalId(typename: string, id: string | number | bigint): string {
  return Buffer.from(`${typename}:${id}`).toString('base64url');
}

/** Takes a global id apart; null when it is not one. Never throws. */
export function parseGlobalId(globalId: string): GlobalId | null {
  const [typename, id, ...rest] = Buffer.from(globalId, 'base64url').toString('utf8').split(':');
  if (!typename || id === undefined || rest.length > 0 || !isUuid(id)) return null;
  // Base64 has many spellings of the same bytes, and Node skips what it cannot read: only one spelling is the id.
  return encodeGlobalId(typename, id) === globalId ? { typename, id } : null;
}

/**
 * The UUID in a global id of the type `typename`. Throws {@link NotFoundError} for garbage and for the id of another type,
 * exactly as for a row that does not exist.
 */
export function decodeId(typename: string, globalId: string): string {
  const parsed = parseGlobalId(globalId);
  if (parsed === null || parsed.typename !== typename) throw new NotFoundError(`The ${wordsOf(typename)}`);
  return parsed.id;
}

/** `InboundMessage` as people say it: "inbound message". */
function wordsOf(typename: string): string {
  return typename.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}
