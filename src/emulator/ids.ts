import { randomBytes } from 'node:crypto';

const DEFAULT_PREFIX = 'AAMkAG';
const IMMUTABLE_PREFIX = 'AAkALg';

/** A default id, which is only good until the item moves. Case-sensitive, safe in a path, as Exchange's are. */
export function newDefaultId(): string {
  return `${DEFAULT_PREFIX}${randomBytes(42).toString('base64url')}AAA=`;
}

/** An immutable id, which stays while the item stays in its mailbox. */
export function newImmutableId(): string {
  return `${IMMUTABLE_PREFIX}${randomBytes(36).toString('base64url')}`;
}

/** The version mark of an item; every change gives it a new one. */
export function newChangeKey(): string {
  return `CQAAAB${randomBytes(15).toString('base64url')}`;
}

/** A `Message-ID` of the kind Exchange Online gives. */
export function newInternetMessageId(domain = 'prod.outlook.example'): string {
  return `<${randomBytes(16).toString('hex').toUpperCase()}@${domain}>`;
}

/** Whether a string can be an item id at all; Graph answers 400 `ErrorInvalidIdMalformed` when not. */
export function isWellFormedId(id: string): boolean {
  return /^AA[A-Za-z0-9_+/=-]{20,}$/.test(id);
}
