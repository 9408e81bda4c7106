import { Worker } from 'node:worker_threads';
import { MINUTE, monotonicMilliseconds, SECOND } from './clock.ts';

/** The work was cut off: it took longer than it may. */
export class ThreadDeadlineError extends Error {
  constructor(milliseconds: number) {
    super(`A thread was ended: its work took longer than ${milliseconds} ms.`);
  }
}

/** How a pool works. */
export interface ThreadPoolOptions {
  /** What each thread runs: it answers every message of its `parentPort` with one message. */
  file: URL;
  /** Threads at most; they are started when they are needed. What comes while all of them work waits its turn. */
  most: number;
  /**
   * For one piece of work, in milliseconds of the thread's computing; then the thread is ended, whatever it does. By the
   * clock on the wall it may take {@link MOST_TIMES} as long: a busy machine must not change what comes of the work.
   */
  deadline: number;
  /** MiB of heap for each thread; one that needs more is ended, and not the process. */
  heapMegabytes: number;
}

/** A thread that nobody has asked anything for so long is ended: each costs some 30 MB. */
const IDLE_MILLISECONDS = MINUTE;

const MOST_TIMES = 4;
/** Until a thread says how much it has computed. */
const ANSWER_MILLISECONDS = SECOND;

/** Work that waits for a thread. */
interface Waiting {
  take(thread: Worker): void;
  fail(reason: unknown): void;
}

/**
 * A few threads for work that foreign input can make very long. Unlike `withCpuDeadline` it leaves the event loop free, and
 * its deadline holds whatever the work does. Costs a copy of input and output (structured clone) and some 0.2 ms.
 *
 * The threads do not keep the process alive, and need no end: they end when they are idle, or with the process.
 */
export class ThreadPool<Input, Output> {
  readonly #options: ThreadPoolOptions;
  readonly #idle: Worker[] = [];
  readonly #waiting: Waiting[] = [];
  #threads = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
  }

  /**
   * Gives the thread's answer. Throws {@link ThreadDeadlineError}; what ended the thread, such as a lack of memory; the
   * signal's reason.
   */
  async run(input: Input, signal?: AbortSignal): Promise<Output> {
    signal?.throwIfAborted();
    const thread = await this.#take(signal);
    let isUsable = true;
    try {
      signal?.throwIfAborted(); // while it waited
      isUsable = false;
      const answer = await this.#ask(thread, input, signal);
      isUsable = true;
      return answer;
    } finally {
      if (isUsable) this.#giveBack(thread);
      else await this.#end(thread);
    }
  }

  #take(signal: AbortSignal | undefined): Promise<Worker> {
    const idle = this.#idle.pop();
    if (idle) return Promise.resolve(idle);
    if (this.#threads < this.#options.most) return (async () => this.#start())();
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal?.reason);
      };
      const waiting: Waiting = {
        take(thread) {
          signal?.removeEventListener('abort', onAbort);
          resolve(thread);
        },
        fail(reason) {
          signal?.removeEventListener('abort', onAbort);
          reject(reason);
        },
      };
      this.#waiting.push(waiting);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #start(): Worker {
    const thread = new Worker(this.#options.file, {
      // Nothing of the process: not its secrets, nor the flags of a test runner.
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: this.#options.heapMegabytes },
    });
    this.#threads += 1; // not before: a thread that the machine refuses must not count for ever
    thread.unref();
    // Without a listener an error of an idle thread would end the process.
    thread.on('error', () => this.#forget(thread)).on('exit', () => this.#forget(thread));
    return thread;
  }

  #ask(thread: Worker, input: Input, signal: AbortSignal | undefined): Promise<Output> {
    const { deadline } = this.#options;
    const startedAt = monotonicMilliseconds();
    // Asked before the work is there: what the thread has computed for others does not count. A new one has nothing yet.
    const before = computedBy(thread);
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (then: () => void) => {
        isSettled = true;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        thread
          .off('message', onMessage)
          .off('error', onError)
          .off('messageerror', onError)
          .off('exit', onExit);
        then();
      };
      const onMessage = (answer: Output) => settle(() => resolve(answer));
      const onError = (error: Error) => settle(() => reject(error));
      const onExit = () => settle(() => reject(new Error('A thread ended in the middle of its work.')));
      const onAbort = () => settle(() => reject(signal?.reason));
      const look = async () => {
        const used = ((await computedBy(thread)) ?? 0) - ((await before) ?? 0);
        if (isSettled) return;
        const left = MOST_TIMES * deadline - (monotonicMilliseconds() - startedAt);
        if (used >= deadline || left <= 0) settle(() => reject(new ThreadDeadlineError(deadline)));
        else timer = setTimeout(look, Math.max(50, Math.min(left, deadline - used)));
      };
      let timer = setTimeout(look, deadline);
      thread.on('message', onMessage).on('error', onError).on('messageerror', onError).on('exit', onExit);
      signal?.addEventListener('abort', onAbort, { once: true });
      thread.postMessage(input);
    });
  }

  #giveBack(thread: Worker): void {
    const next = this.#waiting.shift();
    if (next) {
      next.take(thread);
      return;
    }
    this.#idle.push(thread);
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      for (const idle of this.#idle.splice(0)) void this.#end(idle);
    }, IDLE_MILLISECONDS).unref();
  }

  async #end(thread: Worker): Promise<void> {
    await thread.terminate();
    this.#threads -= 1;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    try {
      next.take(this.#start());
    } catch (error) {
      next.fail(error);
    }
  }

  /** One that broke while it was idle. One that works is ended by who waits for it. */
  #forget(thread: Worker): void {
    const at = this.#idle.indexOf(thread);
    if (at === -1) return;
    this.#idle.splice(at, 1);
    this.#threads -= 1;
  }
}

/** Milliseconds that a thread has computed; null when it does not say in time, or has not begun or is over. */
async function computedBy(thread: Worker): Promise<number | null> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ANSWER_MILLISECONDS);
  });
  try {
    const usage = await Promise.race([thread.cpuUsage(), silence]);
    return usage && (usage.user + usage.system) / 1_000;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
