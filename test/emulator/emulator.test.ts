import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { deltaRound, startMailServer } from './mail-harness.ts';

const MAIN = new URL('../../src/emulator/main.ts', import.meta.url).pathname;

async function temporaryFile(name: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'deskgraph-emulator-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return join(directory, name);
}

test('a state file keeps mail, ids, tokens and delta links across a restart', async () => {
  const stateFile = await temporaryFile('state');
  const before = await startMailServer({ stateFile });
  const address = await before.mailbox();
  const { immutableId } = await before.post(address, { subject: 'Kept' });
  const token = before.token(null);
  const { deltaLink } = await deltaRound(before, `/users/${address}/mailFolders/inbox/messages/delta`);
  await before[Symbol.asyncDispose]();

  await using after = await startMailServer({ stateFile });
  const message = await after.graph('GET', `/users/${address}/messages/${immutableId}`, { token });
  expect(message.body).toMatchObject({ subject: 'Kept' });
  await after.post(address, { subject: 'New' });
  const { items } = await deltaRound(after, deltaLink.replace(before.emulator.url, after.emulator.url));
  expect(items.map(({ subject }) => subject)).toEqual(['New']);
});

test('a state file that is none is refused and left as it is', async () => {
  const stateFile = await temporaryFile('state');
  await writeFile(stateFile, 'something else');
  await expect(startEmulator({ stateFile })).rejects.toThrow('is not a state file');
});

test('a port that is taken is an error at the start, and close may be called twice', async () => {
  const first = await startEmulator();
  const port = Number(new URL(first.url).port);
  await expect(startEmulator({ port })).rejects.toThrow('EADDRINUSE');
  await first.close();
  await first.close();
  await expect(fetch(first.url)).rejects.toThrow();
});

test('npm run emulator prints its addresses and people, serves, and stops cleanly on SIGTERM', async () => {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, EMULATOR_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line.includes('/_emulator/mail?to=')) break;
  }
  const [, url = ''] = /listens on (\S+)/.exec(lines[0] ?? '') ?? [];
  expect(lines.join('\n')).toContain(`MICROSOFT_GRAPH_URL=${url} MICROSOFT_LOGIN_URL=${url}`);
  expect(lines.join('\n')).toContain('support@contoso.example');
  expect((await fetch(`${url}/_emulator/tenants`)).status).toBe(200);
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
});

test('a port that is no number is refused with its name', async () => {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, EMULATOR_PORT: 'many' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(said).toContain('EMULATOR_PORT must be a whole number');
});

test('an idle connection is kept for minutes, as at Microsoft: a request is not cut off that is just being sent', async () => {
  await using emulator = await startEmulator();
  const answer = await fetch(`${emulator.url}/_emulator/settings`);
  await answer.text();
  expect(answer.headers.get('keep-alive')).toBe('timeout=120');
});
