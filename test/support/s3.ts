import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { S3Settings } from '../../src/platform/s3-storage.ts';
import { freePort } from './app.ts';

/** A local S3 server (s3rver) in a process of its own, with one bucket. */
export interface TestBucket extends AsyncDisposable {
  settings: S3Settings;
  /** The same as environment variables. */
  env: Record<string, string>;
  /** Ends the server, as an outage does; what is stored stays. */
  stop(): Promise<void>;
  /** Starts it again at the same address. */
  start(): Promise<void>;
}

/** Starts a server with the bucket `files`. */
export async function startBucket(): Promise<TestBucket> {
  const directory = await mkdtemp(join(tmpdir(), 'deskgraph-s3-'));
  const port = await freePort();
  const program = resolve(import.meta.dirname, '../../node_modules/s3rver/bin/s3rver.js');
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
  const endpoint = `http://127.0.0.1:${port}`;
  let server: ReturnType<typeof spawn> | null = null;
  const start = async () => {
    const started = spawn(
      process.execPath,
      [program, '-d', directory, '-p', String(port), '-a', '127.0.0.1', '-s', '--configure-bucket', 'files'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    server = started;
    await new Promise<void>((ready, failed) => {
      started.once('exit', () => failed(new Error('The S3 server ended at once.')));
      let said = '';
      started.stdout.on('data', (text: Buffer) => {
        said += text.toString();
        if (said.includes('listening')) ready();
      });
    });
  };
  const stop = async () => {
    if (server === null || server.exitCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
    server = null;
  };
  await start();
  return {
    settings: { bucket: 'files', endpoint, region: 'us-east-1', credentials, forcePathStyle: true },
    env: {
      DESKGRAPH_S3_BUCKET: 'files',
      DESKGRAPH_S3_ENDPOINT: endpoint,
      DESKGRAPH_S3_ACCESS_KEY_ID: credentials.accessKeyId,
      DESKGRAPH_S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      DESKGRAPH_S3_FORCE_PATH_STYLE: 'true',
    },
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
