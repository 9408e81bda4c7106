import { createHmac, hkdfSync } from 'node:crypto';
import { HOUR, MINUTE } from './clock.ts';
import { type EncryptionKey, equalSecrets } from './secrets.ts';

/** Links end on these steps, so that the same link is made again for a while and browsers keep what it leads to. */
const STEP = 30 * MINUTE;

/** Signs links that a browser follows without any header of ours, such as the address of an image. */
export interface LinkSigner {
  /** A signature for `subject` that holds for half an hour at least and an hour at most. */
  sign(subject: string, now: Date): { expiresAt: Date; signature: string };
  /** Whether `signature` was made for exactly this subject and end, and the end has not come. */
  verify(subject: string, expiresAt: Date, signature: string, now: Date): boolean;
}

/**
 * Makes the signer: HMAC-SHA-256 with keys derived (HKDF, RFC 5869) from the encryption keys. The first key signs, every
 * key verifies, so that rotating keys breaks no page that is open. Throws when no key is given.
 */
export function createLinkSigner(keys: readonly EncryptionKey[]): LinkSigner {
  const derived = keys.map(({ key }) =>
    Buffer.from(hkdfSync('sha256', key, '', 'deskgraph signed links', 32)),
  );
  const [current] = derived;
  if (!current) throw new Error('At least one encryption key is needed.');
  const signatureOf = (key: Buffer, subject: string, expiresAt: Date) =>
    createHmac('sha256', key)
      .update(JSON.stringify([subject, expiresAt.getTime()]))
      .digest('base64url');
  return {
    sign(subject, now) {
      const expiresAt = new Date(Math.floor((now.getTime() + HOUR) / STEP) * STEP);
      return { expiresAt, signature: signatureOf(current, subject, expiresAt) };
    },
    verify(subject, expiresAt, signature, now) {
      const left = expiresAt.getTime() - now.getTime();
      if (!(left > 0 && left <= HOUR)) return false;
      return derived.some((key) => equalSecrets(signatureOf(key, subject, expiresAt), signature));
    },
  };
}
