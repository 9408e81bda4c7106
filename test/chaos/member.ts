import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/platform/clock.ts';
import { inheritedEnvironment } from '../support/inherited-environment.ts';
import type { Guard } from './guard.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** Generous: four processes start side by side on a machine that may have two cores and other work. */
const READY_DEADLINE_MILLISECONDS = 180_000;
/** As a supervisor waits before it starts again what ended by itself. */
const RESTART_PAUSE_MILLISECONDS = 300;

/** Something that a process said or did and that somebody should look at. */
export interface Incident {
  at: number;
  member: string;
  /** `error` and `fatal` are lines of its log; `exit` is an end that nobody wished. */
  level: 'error' | 'fatal' | 'exit';
  text: string;
}

/** How a process is started, where it is not the server as it is. */
export interface MemberStart {
  /** The script, from the root of the repository. */
  entry?: string;
  /** Asked for at every start. */
  moreEnv?: () => Record<string, string>;
}

/** One process of the fleet, with its supervisor: what ends is started again until it is stopped. */
export class Member {
  readonly name: string;
  readonly incidents: Incident[] = [];
  kills = 0;
  readonly #env: Record<string, string>;
  readonly #entry: string;
  readonly #moreEnv: () => Record<string, string>;
  readonly #log: WriteStream;
  readonly #guard: Guard;
  #child: ChildProcess | undefined;
  #isWanted = true;
  #isKilled = false;
  #isReady = false;
  #ready = Promise.withResolvers<void>();
  #downMilliseconds = 0;
  #waitingSince = 0;
  #supervision: Promise<void> | undefined;

  constructor(
    name: string,
    env: Record<string, string>,
    logFolder: string,
    guard: Guard,
    { entry = 'src/main.ts', moreEnv = () => ({}) }: MemberStart = {},
  ) {
    this.name = name;
    this.#env = env;
    this.#entry = entry;
    this.#moreEnv = moreEnv;
    this.#guard = guard;
    this.#log = createWriteStream(join(logFolder, `${name}.log`));
  }

  /** Where its API listens; meaningless for a worker. */
  get url(): string {
    return `http://127.0.0.1:${this.#env['PORT']}`;
  }

  /** Starts it and waits until it says that it is ready. */
  async start(): Promise<void> {
    this.#supervision = this.#supervise();
    await this.ready();
  }

  /** Waits until it is ready, also after a kill. Throws when that takes too long from the last kill on. */
  async ready(): Promise<void> {
    this.#waitingSince = performance.now();
    while (!this.#isReady) {
      if (performance.now() - this.#waitingSince > READY_DEADLINE_MILLISECONDS) {
        throw new Error(`${this.name} did not become ready within ${READY_DEADLINE_MILLISECONDS / 1_000} s.`);
      }
      await Promise.race([this.#ready.promise, sleep(200)]);
    }
  }

  /** SIGKILL, also in the middle of its start; it stays away for so long. Resolves when it is ready again. */
  async kill(downMilliseconds: number): Promise<void> {
    this.kills += 1;
    this.#notReady();
    this.#downMilliseconds = downMilliseconds;
    this.#isKilled = true;
    this.#child?.kill('SIGKILL');
    await this.ready();
  }

  /** SIGTERM, and SIGKILL when that takes too long. Gives the exit code. */
  async stop(): Promise<number | null> {
    this.#isWanted = false;
    this.#ready.promise.catch(() => undefined);
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
      await once(child, 'exit');
      clearTimeout(timer);
    }
    await this.#supervision;
    await new Promise((done) => this.#log.end(done));
    return child?.exitCode ?? null;
  }

  /** For the end of this process by a signal: nothing may be left. */
  destroy(): void {
    this.#isWanted = false;
    this.#child?.kill('SIGKILL');
  }

  async #supervise(): Promise<void> {
    while (this.#isWanted) {
      this.#isKilled = false;
      const [code, signal] = await this.#runOnce();
      if (!this.#isWanted) return;
      if (!this.#isKilled) {
        this.incidents.push({
          at: systemClock.now().getTime(),
          member: this.name,
          level: 'exit',
          text: `ended by itself with ${signal ?? code}`,
        });
        this.#notReady();
      }
      await sleep(this.#isKilled ? this.#downMilliseconds : RESTART_PAUSE_MILLISECONDS);
    }
  }

  async #runOnce(): Promise<[number | null, NodeJS.Signals | null]> {
    const child = spawn(process.execPath, [this.#entry], {
      cwd: ROOT,
      env: { ...inheritedEnvironment(), ...this.#env, ...this.#moreEnv() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#guard.watch(this.name, child.pid);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#heard(line, child));
    }
    return (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  }

  /** Who waits goes on waiting for the next start. */
  #notReady(): void {
    if (!this.#isReady) return;
    this.#isReady = false;
    this.#ready = Promise.withResolvers<void>();
  }

  #heard(line: string, child: ChildProcess): void {
    this.#log.write(`${line}\n`);
    // Last words of a process that has been killed meanwhile do not count.
    if (line.includes('"msg":"ready"') && child === this.#child && !this.#isKilled) {
      this.#isReady = true;
      this.#ready.resolve();
    }
    // pino's levels: 50 is error, 60 fatal. Only Node itself writes anything else.
    const level = /^\{"level":(\d+)/.exec(line)?.[1];
    if (level === '50' || level === '60' || (level === undefined && /error/i.test(line))) {
      this.incidents.push({
        at: systemClock.now().getTime(),
        member: this.name,
        level: level === '60' ? 'fatal' : 'error',
        // The message stands at the end of pino's lines, behind the error's stack.
        text: line.length > 3_000 ? `${line.slice(0, 2_000)} … ${line.slice(-900)}` : line,
      });
    }
  }
}
