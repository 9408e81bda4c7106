import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { tryLockFile } from '../../src/platform/file-lock.ts';
import { runNode } from './fixtures/run-node.ts';

async function newFile(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'deskgraph-lock-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return join(directory, 'lock');
}

test('a lock has one holder, and is free when it is given back', async () => {
  const file = await newFile();
  const holder = tryLockFile(file);
  expect(holder).not.toBeNull();
  expect(tryLockFile(file)).toBeNull();
  expect(tryLockFile(file)).toBeNull();
  holder?.[Symbol.dispose]();
  const next = tryLockFile(file);
  expect(next).not.toBeNull();
  next?.[Symbol.dispose]();
});

test('a lock of another process holds until that process is killed', async () => {
  const file = await newFile();
  const other = runNode('file-lock.ts', [file]);
  await other.line('locked');
  expect(tryLockFile(file)).toBeNull();
  await other.kill('alone');
  const next = tryLockFile(file);
  expect(next).not.toBeNull();
  next?.[Symbol.dispose]();
});

test('a folder that does not exist is an error, and not a lock that another holds', async () => {
  const file = await newFile();
  expect(() => tryLockFile(join(file, 'nowhere'))).toThrow();
});
