import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { inheritedEnvironment } from './inherited-environment.ts';
import { secretWatch } from './secret-watch.ts';
import { listenToProcess } from './secret-watch-traffic.ts';
import { eventually } from './wait.ts';

const root = resolve(import.meta.dirname, '../..');

/** The server as a process of its own, as `npm start` runs it. */
export interface ServerProcess {
  child: ChildProcess;
  url: string;
  /** Everything it has written so far. */
  output(): string;
  /** SIGKILL: no goodbye. Resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; gives the exit code. */
  stop(): Promise<number | null>;
}

/** Starts the server with exactly these variables and waits until `/readyz` says yes. */
export async function startServerProcess(env: Record<string, string>): Promise<ServerProcess> {
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: root,
    env: { ...inheritedEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const watch = secretWatch();
  watch.learnEnvironment(env);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      // The first start of all shows the key that it made.
      watch.hear(text.includes('shown this once') ? 'MINTING' : 'PROCESS', text);
    });
  }
  const exited = once(child, 'exit');
  const url = `http://127.0.0.1:${env['PORT']}`;
  listenToProcess(url);
  const isReady = async () => {
    if (child.exitCode !== null) throw new Error(`The server ended: ${output}`);
    return fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(
      ({ ok }) => ok,
      () => false,
    );
  };
  await eventually('the server is ready', isReady).catch((error: Error) => {
    child.kill('SIGKILL');
    throw new Error(`${error.message}\n${output}`);
  });
  return {
    child,
    url,
    output: () => output,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    async stop() {
      child.kill('SIGTERM');
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}
