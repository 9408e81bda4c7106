import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createDesk, type Desk, freePort } from '../support/app.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { eventually } from '../support/wait.ts';

const root = resolve(import.meta.dirname, '../..');
const ADMIN_KEY = 'dg_bench-admin-key-0123456789abcdefghijklm';

/** What a benchmark plays on: the emulator and the server, each a process of its own, as they run in earnest. */
export interface Stage {
  emulatorUrl: string;
  server: ServerProcess;
  /** The first organization, as its owner's program sees it. */
  desk: Desk;
}

/** Starts both, with an empty data directory and an address that the emulator can notify, and takes them down afterwards. */
export async function onStage<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
  return inFolder(async (dataDirectory) => {
    await using emulator = await startProgram('src/emulator/main.ts', 'EMULATOR_PORT', '/_emulator/settings');
    const port = String(await freePort());
    const server = await startServerProcess({
      PORT: port,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      DESKGRAPH_DATA_DIR: dataDirectory,
      DESKGRAPH_ADMIN_KEY: ADMIN_KEY,
      MICROSOFT_LOGIN_URL: emulator.url,
      MICROSOFT_GRAPH_URL: emulator.url,
      LOG_LEVEL: 'error',
    });
    try {
      const desk = createDesk(server.url, emulator, 'first', ADMIN_KEY);
      await desk.withoutStormLimits();
      return await work({ emulatorUrl: emulator.url, server, desk });
    } catch (error) {
      process.stderr.write(server.output());
      throw error;
    } finally {
      await server.stop();
    }
  });
}

/** A program of ours that listens on a port. Disposing of it ends it. */
export interface Program extends AsyncDisposable {
  url: string;
}

/** Runs a program that reads its port from `portVariable`, and waits until it answers at `path`. */
export async function startProgram(
  file: string,
  portVariable: string,
  path: string,
  env: Record<string, string> = {},
): Promise<Program> {
  const port = String(await freePort());
  const child = spawn(process.execPath, [file], {
    cwd: root,
    env: { PATH: process.env['PATH'] ?? '', [portVariable]: port, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
  };
  try {
    await eventually(`${file} answers`, () => {
      if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode}.`);
      return fetch(url + path, { signal: AbortSignal.timeout(2_000) }).then(
        ({ ok }) => ok,
        () => false,
      );
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: stop };
}

/** Gives `work` a new folder, which is gone afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'deskgraph-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Since `startedAt`, a reading of `performance.now()`. */
export function secondsSince(startedAt: number): number {
  return (performance.now() - startedAt) / 1_000;
}

/** The processor time that the server process has used so far, as it tells Prometheus. Its database is not in it. */
export async function cpuSeconds({ server }: Stage): Promise<number> {
  const page = await (await fetch(`${server.url}/metrics`)).text();
  const [, seconds] = /^process_cpu_seconds_total (\S+)$/m.exec(page) ?? [];
  if (seconds === undefined) throw new Error('The metrics say nothing of the processor.');
  return Number(seconds);
}
