import { Worker } from 'node:worker_threads';
import { MINUTE } from './clock.ts';

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
  /** For one piece of work, in milliseconds, from when a thread has it; then the thread is ended, whatever it does. */
  deadline: number;
  /** MiB of heap for each thread; one that needs more is ended, and not the process. */
  heapMegabytes: number;
}

/** A thread that nobody has asked anything for so long is ended: each costs some 30 MB. */
const IDLE_MILLISECONDS = MINUTE;

/** Work that waits for a thread. */
interface Waiting {
  take(thread: Worker): void;
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
    if (this.#threads < this.#options.most) return Promise.resolve(this.#start());
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
      };
      this.#waiting.push(waiting);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #start(): Worker {
    this.#threads += 1;
    const thread = new Worker(this.#options.file, {
      // Nothing of the process: not its secrets, nor the flags of a test runner.
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: this.#options.heapMegabytes },
    });
    thread.unref();
    // Without a listener an error of an idle thread would end the process.
    thread.on('error', () => this.#forget(thread)).on('exit', () => this.#forget(thread));
    return thread;
  }

  #ask(thread: Worker, input: Input, signal: AbortSignal | undefined): Promise<Output> {
    const { deadline } = this.#options;
    return new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
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
      const timer = setTimeout(() => settle(() => reject(new ThreadDeadlineError(deadline))), deadline);
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
    next?.take(this.#start());
  }

  /** One that broke while it was idle. One that works is ended by who waits for it. */
  #forget(thread: Worker): void {
    const at = this.#idle.indexOf(thread);
    if (at === -1) return;
    this.#idle.splice(at, 1);
    this.#threads -= 1;
  }
}
