import { createCipheriv, createDecipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A named AES-256 key. The name travels with every sealed value, so that keys can be rotated. */
export interface EncryptionKey {
  name: string;
  key: Buffer;
}

/** Seals secrets at rest with AES-256-GCM (NIST SP 800-38D). The first key seals, every key opens. */
export interface SecretBox {
  /** Seals `plain` for one purpose: `context` (such as `account:<id>`) must be the same to open it. */
  seal(plain: string, context: string): string;
  /** Opens what `seal` made. Throws when the key is unknown, the context differs or the value was changed. */
  open(sealed: string, context: string): string;
}

/** Makes the box. Throws when no key is given. */
export function createSecretBox(keys: readonly EncryptionKey[]): SecretBox {
  const [current] = keys;
  if (!current) throw new Error('At least one encryption key is needed.');
  const byName = new Map(keys.map((entry) => [entry.name, entry.key]));
  return {
    seal(plain, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, current.key, nonce).setAAD(Buffer.from(context));
      const body = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `v1.${current.name}.${body.toString('base64url')}`;
    },
    open(sealed, context) {
      const [version, name, encoded] = sealed.split('.');
      const key = name === undefined ? undefined : byName.get(name);
      if (version !== 'v1' || !key || !encoded) {
        throw new Error(`A secret is sealed under the key "${name ?? ''}", which is not configured.`);
      }
      const body = Buffer.from(encoded, 'base64url');
      const decipher = createDecipheriv(ALGORITHM, key, body.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(context))
        .setAuthTag(body.subarray(-TAG_BYTES));
      return (
        decipher.update(body.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
      );
    },
  };
}

/**
 * Reads `name:base64key` entries separated by commas. Throws a sentence that names the faulty entry, never its key.
 */
export function parseEncryptionKeys(text: string): EncryptionKey[] {
  return text.split(',').map((entry, index) => {
    const [name, encoded] = entry.trim().split(':');
    const key = Buffer.from(encoded ?? '', 'base64');
    if (!name || !/^[\w-]{1,32}$/.test(name) || key.length !== KEY_BYTES) {
      throw new Error(
        `entry ${index + 1} must be name:key, the key being ${KEY_BYTES} random bytes in base64`,
      );
    }
    return { name, key };
  });
}

/**
 * The keys of a data directory: made at the first start, read at every later one. Losing the file loses every token and
 * credential sealed under it, so back it up with the database.
 */
export async function loadOrCreateKeyFile(dataDirectory: string): Promise<EncryptionKey[]> {
  const file = join(dataDirectory, 'encryption.key');
  await mkdir(dataDirectory, { recursive: true });
  try {
    // `wx` makes the race of two first starts harmless: one writes, the other reads.
    await writeFile(file, `local:${randomBytes(KEY_BYTES).toString('base64')}\n`, {
      mode: 0o600,
      flag: 'wx',
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return parseEncryptionKeys((await readFile(file, 'utf8')).trim());
}

/** The SHA-256 of a secret of high entropy, for look-up without keeping the secret. Not for passwords. */
export function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Whether two secrets are equal, in a time that tells nothing about where they differ. */
export function equalSecrets(left: string, right: string): boolean {
  return timingSafeEqual(digest(left), digest(right));
}

/** A random token of `bytes` bytes in base64url, from the operating system's generator. */
export function randomToken(bytes = 32): string {
  return randomBytes(bytes).toString('base64url');
}
