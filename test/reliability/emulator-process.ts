import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { inheritedEnvironment } from '../support/inherited-environment.ts';
import { eventually } from '../support/wait.ts';

const root = resolve(import.meta.dirname, '../..');

/** The emulator as a process of its own, as `npm run emulator` starts it. */
export interface EmulatorProcess extends AsyncDisposable {
  url: string;
  graphUrl: string;
  loginUrl: string;
}

/** Starts the emulator on a port and waits until it answers. */
export async function startEmulatorProcess(port: number): Promise<EmulatorProcess> {
  const child = spawn(process.execPath, ['src/emulator/main.ts'], {
    cwd: root,
    env: { ...inheritedEnvironment(), EMULATOR_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exited = once(child, 'exit');
  // What it prints for people to copy is what the server is given.
  const found = await eventually('the emulator listens', () => {
    if (child.exitCode !== null) throw new Error(`The emulator ended: ${output}`);
    return /MICROSOFT_GRAPH_URL=(\S+) MICROSOFT_LOGIN_URL=(\S+)/.exec(output) ?? undefined;
  }).catch((error: Error) => {
    child.kill('SIGKILL');
    throw error;
  });
  return {
    url: `http://127.0.0.1:${port}`,
    graphUrl: found[1] ?? '',
    loginUrl: found[2] ?? '',
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
