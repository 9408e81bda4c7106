import { createCipheriv, createDecipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toError } from '../errors.ts';

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
  /** The names of its keys; the first one seals. */
  readonly keyNames: readonly [string, ...string[]];
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
    keyNames: [current.name, ...keys.slice(1).map(({ name }) => name)],
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
      // GCM takes shorter tags too, and those can be guessed.
      if (body.length < NONCE_BYTES + TAG_BYTES) throw new Error('A sealed secret is too short to be whole.');
      const decipher = createDecipheriv(ALGORITHM, key, body.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
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
  const names = new Set<string>();
  return text.split(',').map((entry, index) => {
    const [name, encoded, ...more] = entry.trim().split(':');
    const key = Buffer.from(encoded ?? '', 'base64');
    if (!name || !/^[\w-]{1,32}$/.test(name) || key.length !== KEY_BYTES || more.length > 0) {
      throw new Error(
        `entry ${index + 1} must be name:key, the key being ${KEY_BYTES} random bytes in base64`,
      );
    }
    // Values carry the name of their key: what one of two keys of a name has sealed, the other could not open.
    if (names.has(name)) throw new Error(`entry ${index + 1} repeats the name "${name}"`);
    names.add(name);
    return { name, key };
  });
}

/** Where the keys of a data directory lie. */
export function keyFileIn(dataDirectory: string): string {
  return join(dataDirectory, 'encryption.key');
}

/**
 * The keys of a data directory: made at the first start, read at every later one. Losing the file loses every token and
 * credential sealed under it, so back it up with the database. Throws when the file holds no keys: it is never replaced.
 */
export async function loadOrCreateKeyFile(dataDirectory: string): Promise<EncryptionKey[]> {
  const file = keyFileIn(dataDirectory);
  await mkdir(dataDirectory, { recursive: true });
  if (!existsSync(file)) await createKeyFile(file);
  const text = await readFile(file, 'utf8');
  try {
    return parseEncryptionKeys(text.trim());
  } catch (thrown) {
    throw new Error(`The key file ${file} cannot be read: ${toError(thrown).message}.`, { cause: thrown });
  }
}

/**
 * Linked into its place when it is whole: of two first starts one places its file, and both read that one. Writing in
 * place would let the other, or the start after a crash, read an empty file.
 */
async function createKeyFile(file: string): Promise<void> {
  const draft = `${file}.${randomToken(8)}`;
  const text = `local:${randomBytes(KEY_BYTES).toString('base64')}\n`;
  try {
    await writeFile(draft, text, { mode: 0o600, flush: true });
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
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
