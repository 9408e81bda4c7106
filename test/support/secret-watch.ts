import { appendFileSync, closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { multistream, symbols } from 'pino';
import type { Logger } from '../../src/platform/logger.ts';
import { SecretScan } from './secret-scan.ts';
import { listenToTraffic } from './secret-watch-traffic.ts';

/** What is written to the file at a time, and read back. */
const CHUNK_BYTES = 1_048_576;
/** Of one answer. Files of a hundred megabytes are what tests put there themselves. */
const LONGEST_BYTES = 2 * CHUNK_BYTES;
/** Read twice, so that nothing hides between two chunks. */
const OVERLAP_BYTES = 4_096;

/** Where something was heard. `MINTING`: the one answer that shows a new API key. */
export type Source = 'LOG' | 'ANSWER' | 'MINTING' | 'STREAM' | 'PROCESS';

/** A secret where it must not be. Never the secret itself. */
export interface Leak {
  source: Source;
  kind: string;
  /** The message of the line of the log, or the request of the answer. */
  near: string;
}

/**
 * What one test file's servers say, and the secrets that were in play. All of it is kept in a file until the end, because
 * a secret may be known only after it was told.
 */
export class SecretWatch {
  secrets = new SecretScan();
  heardBytes = nothingHeard();
  readonly #directory = mkdtempSync(join(tmpdir(), 'deskgraph-heard-'));
  readonly #pending = new Map<Source, { parts: string[]; length: number }>();

  constructor() {
    process.once('exit', () => rmSync(this.#directory, { recursive: true, force: true }));
  }

  learn(kind: string, secret: unknown): void {
    if (typeof secret === 'string') this.secrets.learn(kind, secret);
  }

  /** The secrets in the environment of a process. */
  learnEnvironment(env: Readonly<Record<string, string | undefined>>): void {
    for (const entry of (env['DESKGRAPH_ENCRYPTION_KEYS'] ?? '').split(',')) {
      this.learn('encryption key', entry.split(':')[1]);
    }
    this.learn('admin key', env['DESKGRAPH_ADMIN_KEY']);
    this.learn('storage key', env['DESKGRAPH_S3_SECRET_ACCESS_KEY']);
  }

  hear(source: Source, text: string): void {
    const pending = this.#pending.get(source) ?? { parts: [], length: 0 };
    const part = text.length > LONGEST_BYTES ? text.slice(0, LONGEST_BYTES) : text;
    pending.parts.push(part, '\n');
    pending.length += part.length;
    this.heardBytes[source] += part.length;
    this.#pending.set(source, pending);
    if (pending.length > CHUNK_BYTES) this.#write(source);
  }

  /** Looks through everything. */
  leaks(): Leak[] {
    const leaks: Leak[] = [];
    for (const [source] of this.#pending) {
      this.#write(source);
      const file = openSync(this.#file(source), 'r');
      const buffer = Buffer.alloc(CHUNK_BYTES);
      for (let at = 0; ; ) {
        const length = readSync(file, buffer, 0, CHUNK_BYTES, at);
        const chunk = buffer.subarray(0, length);
        for (const [kind, position] of this.secrets.find(chunk)) {
          if (source === 'MINTING' && kind === 'API key') continue;
          leaks.push({ source, kind, near: this.#near(chunk, position) });
        }
        if (length < CHUNK_BYTES) break;
        at += length - OVERLAP_BYTES;
      }
      closeSync(file);
    }
    return leaks;
  }

  /** Forgets everything: the next file of the same process begins anew. */
  close(): void {
    for (const [source] of this.#pending) rmSync(this.#file(source), { force: true });
    this.#pending.clear();
    this.secrets = new SecretScan();
    this.heardBytes = nothingHeard();
  }

  /** What tells a person where to look, unless a secret is in that as well. */
  #near(chunk: Buffer, position: number): string {
    const start = chunk.lastIndexOf('\n', position) + 1;
    const end = chunk.indexOf('\n', position);
    const line = chunk.subarray(start, end < 0 ? chunk.length : end).toString();
    const told = /"msg":"([^"]{0,100})"/.exec(line)?.[1] ?? /^[A-Z]+ \/[\w/-]{0,60}/.exec(line)?.[0];
    const isTold = told !== undefined && this.secrets.find(Buffer.from(told)).size === 0;
    return isTold ? told : '(not to be shown)';
  }

  #file(source: Source): string {
    return join(this.#directory, source);
  }

  #write(source: Source): void {
    const pending = this.#pending.get(source);
    appendFileSync(this.#file(source), pending?.parts.join('') ?? '');
    this.#pending.set(source, { parts: [], length: 0 });
  }
}

function nothingHeard(): Record<Source, number> {
  return { LOG: 0, ANSWER: 0, MINTING: 0, STREAM: 0, PROCESS: 0 };
}

const KEY = Symbol.for('deskgraph.test.secret-watch');

/** The watch of this process, for one test file after the other; it begins with the first call. */
export function secretWatch(): SecretWatch {
  const known: SecretWatch | undefined = Reflect.get(globalThis, KEY);
  if (known) return known;
  const watch = new SecretWatch();
  Reflect.set(globalThis, KEY, watch);
  listenToTraffic(watch);
  return watch;
}

/** Lets the watch hear everything that `logger` is told, at every level; what the test itself reads stays as it was. */
export function overheard(logger: Logger): Logger {
  const watch = secretWatch();
  const own: { write(line: string): void } = Reflect.get(logger, symbols.streamSym);
  const heard = { write: (line: string) => watch.hear('LOG', line) };
  const level = logger.level;
  const streams = multistream([{ level: 'trace', stream: heard }]);
  if (level !== 'silent') streams.add({ level: level as 'info', stream: own });
  Reflect.set(logger, symbols.streamSym, streams);
  logger.level = 'trace';
  return logger;
}
