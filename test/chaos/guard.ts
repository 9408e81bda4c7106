import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What sees to it that nothing is left when this process is killed. */
export interface Guard extends Disposable {
  /** Remembers a process of the run; the one that had the name before is forgotten. */
  watch(name: string, pid: number | undefined): void;
}

/**
 * Waits, as a process of its own, for the end of a pipe that only this process holds. When it comes, because this one was
 * killed with SIGKILL, everything that is watched is killed, PostgreSQL is stopped at once, and the folder is removed.
 */
const WAIT_AND_CLEAN = `
  cat > /dev/null
  kill -9 $(cat "$1"/pids/*) 2> /dev/null
  kill -QUIT $(head -1 "$1"/data/postgres/postmaster.pid) 2> /dev/null
  sleep 2
  rm -rf "$1"`;

/** Starts the guard of a run's folder. Dispose of it when everything has been taken down in good order. */
export function startGuard(folder: string): Guard {
  const pids = join(folder, 'pids');
  mkdirSync(pids, { recursive: true });
  // Detached: Ctrl-C in the terminal must not end it before the others.
  const child = spawn('/bin/sh', ['-c', WAIT_AND_CLEAN, 'guard', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Where there is no shell, there is no guard: only a killed run leaves something behind.
  child.on('error', () => undefined);
  child.unref();
  return {
    watch(name, pid) {
      if (pid !== undefined) writeFileSync(join(pids, name), `${pid}\n`);
    },
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  };
}
