import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  createSecretBox,
  digest,
  type EncryptionKey,
  equalSecrets,
  loadOrCreateKeyFile,
  parseEncryptionKeys,
  randomToken,
} from '../../src/platform/secrets.ts';
import { runNode } from './fixtures/run-node.ts';

const newKey = (name: string): EncryptionKey => ({ name, key: randomBytes(32) });
const base64 = (bytes = 32) => randomBytes(bytes).toString('base64');

async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'deskgraph-secrets-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test.each(['', 'refresh token', 'Grüße 👋 \u0000 and more', 'x'.repeat(100_000)])(
  'what is sealed opens to the same text (case %#)',
  (plain) => {
    const box = createSecretBox([newKey('a')]);
    expect(box.open(box.seal(plain, 'account:1'), 'account:1')).toBe(plain);
  },
);

test('a sealed value shows nothing of the text, and two of the same text differ', () => {
  const box = createSecretBox([newKey('a')]);
  const [one, other] = [box.seal('hunter2', 'c'), box.seal('hunter2', 'c')];
  expect(one).not.toBe(other);
  expect(Buffer.from(one.split('.')[2] ?? '', 'base64url').includes('hunter2')).toBe(false);
});

test('a value sealed for one purpose does not open for another', () => {
  const box = createSecretBox([newKey('a')]);
  const sealed = box.seal('token', 'account:1');
  expect(() => box.open(sealed, 'account:2')).toThrow();
});

test('a value with any one byte changed does not open', () => {
  const box = createSecretBox([newKey('a')]);
  const [version, name, encoded] = box.seal('token', 'c').split('.');
  const body = Buffer.from(encoded ?? '', 'base64url');
  for (let index = 0; index < body.length; index++) {
    const changed = Buffer.from(body);
    changed[index] = (changed[index] ?? 0) ^ 1;
    expect(() => box.open(`${version}.${name}.${changed.toString('base64url')}`, 'c')).toThrow();
  }
});

test('a value cut short at any length does not open', () => {
  const box = createSecretBox([newKey('a')]);
  const [version, name, encoded] = box.seal('token', 'c').split('.');
  const body = Buffer.from(encoded ?? '', 'base64url');
  for (let length = 0; length < body.length; length++) {
    const cut = body.subarray(0, length).toString('base64url');
    expect(() => box.open(`${version}.${name}.${cut}`, 'c')).toThrow();
  }
});

test('a forged tag of fewer bytes is refused for its length: guessing four bytes must not be enough', () => {
  const box = createSecretBox([newKey('a')]);
  // Four bytes are nonce and tag at once; without a fixed tag length one in 2^32 of these would open.
  expect(() => box.open(`v1.a.${Buffer.alloc(4).toString('base64url')}`, 'c')).toThrow('too short');
});

test.each(['', 'plain text', 'v2.a.AAAA', 'v1.a', 'v1'])('refuses %j, which no box made', (sealed) => {
  expect(() => createSecretBox([newKey('a')]).open(sealed, 'c')).toThrow();
});

test('an unknown key is named, and the sealed value is not repeated', () => {
  const sealed = createSecretBox([newKey('gone')]).seal('token', 'c');
  const open = () => createSecretBox([newKey('a')]).open(sealed, 'c');
  expect(open).toThrow('"gone"');
  expect(open).not.toThrow(sealed.split('.')[2]);
});

test('after a rotation the new key seals and the old one still opens, until it is taken away', () => {
  const [old, fresh] = [newKey('old'), newKey('new')];
  const before = createSecretBox([old]).seal('token', 'c');
  const rotated = createSecretBox([fresh, old]);
  expect(rotated.open(before, 'c')).toBe('token');
  expect(rotated.seal('token', 'c')).toMatch(/^v1\.new\./);
  expect(createSecretBox([fresh]).open(rotated.seal('token', 'c'), 'c')).toBe('token');
  expect(() => createSecretBox([fresh]).open(before, 'c')).toThrow('"old"');
});

test('another key under the same name does not open', () => {
  const sealed = createSecretBox([newKey('a')]).seal('token', 'c');
  expect(() => createSecretBox([newKey('a')]).open(sealed, 'c')).toThrow();
});

test('a box without a key is refused', () => {
  expect(() => createSecretBox([])).toThrow();
});

test('several keys are read in their order', () => {
  const [one, other] = [base64(), base64()];
  expect(parseEncryptionKeys(`2026-11:${one}, old_1:${other}`)).toEqual([
    { name: '2026-11', key: Buffer.from(one, 'base64') },
    { name: 'old_1', key: Buffer.from(other, 'base64') },
  ]);
});

test.each([
  ['a key that is too short', (good: string) => [good, `b:${base64(16)}`]],
  ['a key that is too long', (good: string) => [good, `b:${base64(33)}`]],
  ['a missing name', (good: string) => [good, `:${base64()}`]],
  ['a missing key', (good: string) => [good, 'b']],
  ['a name with a full stop, which parts sealed values', (good: string) => [good, `b.c:${base64()}`]],
  ['something after the key', (good: string) => [good, `b:${base64()}:more`]],
  ['an empty entry', (good: string) => [good, '']],
  [
    'a name that is taken: values under one of the keys would never open',
    (good: string) => [good, `a:${base64()}`],
  ],
])('refuses %s, names the entry and repeats no key', (_name, entriesWith) => {
  const good = `a:${base64()}`;
  const entries = entriesWith(good);
  const parse = () => parseEncryptionKeys(entries.join(','));
  expect(parse).toThrow('entry 2');
  for (const key of entries.flatMap((entry) => entry.split(':').slice(1))) expect(parse).not.toThrow(key);
});

test('the key file is made once, readable by its owner alone, and read at every later start', async () => {
  const directory = await emptyDirectory();
  const nested = join(directory, 'made', 'by', 'us');
  const first = await loadOrCreateKeyFile(nested);
  expect(first).toHaveLength(1);
  expect((await stat(join(nested, 'encryption.key'))).mode & 0o777).toBe(0o600);
  expect(await loadOrCreateKeyFile(nested)).toEqual(first);
});

test('first starts at once in one process agree on one key', async () => {
  const directory = await emptyDirectory();
  const keys = await Promise.all(Array.from({ length: 50 }, () => loadOrCreateKeyFile(directory)));
  expect(new Set(keys.map(([entry]) => entry?.key.toString('hex'))).size).toBe(1);
  expect(await readdir(directory)).toEqual(['encryption.key']);
});

test('first starts of several processes at once agree on one key', async () => {
  const directory = await emptyDirectory();
  const runs = await Promise.all(Array.from({ length: 4 }, () => runNode('key-file.ts', [directory]).exited));
  expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(runs.map(() => [0, '']));
  expect(new Set(runs.map(({ stdout }) => stdout)).size).toBe(1);
});

test('a key file that a person has added a key to is read with both, and stays as it is', async () => {
  const directory = await emptyDirectory();
  const text = `new:${base64()},local:${base64()}\n`;
  await writeFile(join(directory, 'encryption.key'), text);
  expect((await loadOrCreateKeyFile(directory)).map(({ name }) => name)).toEqual(['new', 'local']);
  expect(await readFile(join(directory, 'encryption.key'), 'utf8')).toBe(text);
});

test('a damaged key file is refused and never replaced: what is sealed under it may still be saved', async () => {
  const directory = await emptyDirectory();
  await writeFile(join(directory, 'encryption.key'), '');
  await expect(loadOrCreateKeyFile(directory)).rejects.toThrow('encryption.key');
  expect(await readFile(join(directory, 'encryption.key'), 'utf8')).toBe('');
});

test('secrets compare by their whole text, and digests and tokens have their sizes', () => {
  expect(equalSecrets('abc', 'abc')).toBe(true);
  expect(equalSecrets('abc', 'abcd')).toBe(false);
  expect(equalSecrets('', 'a')).toBe(false);
  expect(digest('abc')).toHaveLength(32);
  expect(Buffer.from(randomToken(), 'base64url')).toHaveLength(32);
  expect(randomToken()).not.toBe(randomToken());
});
