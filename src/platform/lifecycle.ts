import { toError } from '../errors.ts';
import { SECOND } from './clock.ts';
import type { Logger } from './logger.ts';

/** How long a stop is patient. */
export interface StopDeadlines {
  /** How long what runs may take to finish after `draining`, before `abandon` fires. */
  abandonMilliseconds?: number;
  /** How long one release may take before the stop goes on without it. */
  releaseMilliseconds?: number;
}

/**
 * Owns everything that the process acquired, and gives it back in the reverse order.
 *
 * A stop has two stages: `draining` says "take no new work", `abandon` (ten seconds later, unless told otherwise) says "let go of what runs".
 * A release that fails or hangs does not keep the others from running: the first failure is thrown at the end.
 */
export class Lifecycle implements AsyncDisposable {
  readonly #releases: { name: string; release: () => unknown }[] = [];
  readonly #draining = new AbortController();
  readonly #abandon = new AbortController();
  readonly #logger: Logger;
  readonly #deadlines: Required<StopDeadlines>;
  #stopped: Promise<void> | undefined;

  constructor(logger: Logger, deadlines: StopDeadlines = {}) {
    this.#logger = logger;
    this.#deadlines = { abandonMilliseconds: 10 * SECOND, releaseMilliseconds: 20 * SECOND, ...deadlines };
  }

  /** Aborts when the process must take no new work. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** Aborts when the work that still runs must be given up. */
  get abandon(): AbortSignal {
    return this.#abandon.signal;
  }

  /** Registers what gives back the thing acquired on the line above. */
  defer(name: string, release: () => unknown): void {
    this.#releases.push({ name, release });
  }

  /** Stops once; later calls wait for the same stop. Throws the first release's failure, after all have run. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#draining.abort(new Error('The process is stopping.'));
    const abandonTimer = setTimeout(
      () => this.#abandon.abort(new Error('The process is stopping and gave up waiting.')),
      this.#deadlines.abandonMilliseconds,
    );
    let failure: Error | undefined;
    for (const { name, release } of this.#releases.toReversed()) {
      try {
        await withDeadline(name, Promise.resolve(release()), this.#deadlines.releaseMilliseconds);
      } catch (thrown) {
        const error = toError(thrown);
        this.#logger.error({ err: error, release: name }, 'could not release');
        failure ??= error;
      }
    }
    clearTimeout(abandonTimer);
    this.#abandon.abort(new Error('The process has stopped.'));
    if (failure) throw failure;
  }
}

async function withDeadline(name: string, work: Promise<unknown>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Releasing ${name} took longer than ${milliseconds / SECOND} s.`)),
      milliseconds,
    );
  });
  try {
    await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
