import { EventEmitter } from 'node:events';
import { type Runner, run, type TaskList, type WorkerEvents, Logger as WorkerLogger } from 'graphile-worker';
import { toError } from '../errors.ts';
import { delay, monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import { type Logger, withCorrelation } from '../platform/logger.ts';
import type { JobHandler } from './define-job.ts';
import { JobOwnership, releaseDeadOwners } from './ownership.ts';
import { SettlingPool } from './settling-pool.ts';

/** How often the jobs of dead processes are looked for. */
const DEAD_OWNER_INTERVAL = 5 * SECOND;
const RESTART_DELAY = 1 * SECOND;
/** The wake-up is a NOTIFY; this is for retries that come due and for a NOTIFY that was lost. */
const POLL_INTERVAL = 2 * SECOND;
/** Jobs at a time: they mostly wait for Microsoft, so there are more places than a process has work for. */
const CONCURRENCY = 16;
const ABORT_AFTER = 8 * SECOND;

/** What a worker is made of. */
export interface JobWorkerOptions {
  databaseUrl: string;
  handlers: readonly JobHandler[];
  logger: Logger;
  /** Jobs that run at a time in this process. */
  concurrency?: number;
  /** Aborts when the process gives up waiting for what runs. */
  abandon?: AbortSignal;
  /** Called after each try, for metrics. */
  onAttempt?: (attempt: { job: string; succeeded: boolean; isFinal: boolean; seconds: number }) => void;
}

/**
 * Runs jobs until it is disposed. Disposing stops the claiming at once, waits for what runs, aborts it after eight
 * seconds and gives it back to the queue. When the database goes away, it starts again by itself.
 */
export class JobWorker implements AsyncDisposable {
  readonly #options: JobWorkerOptions;
  readonly #pool: SettlingPool;
  readonly #stopping = new AbortController();
  #runner: Runner | undefined;
  #supervision: Promise<void> | undefined;

  constructor(options: JobWorkerOptions) {
    this.#options = options;
    const { databaseUrl, concurrency = CONCURRENCY } = options;
    this.#pool = new SettlingPool({
      databaseUrl,
      max: concurrency + 2,
      logger: options.logger,
      // A new run is a new owner; what the old one has forgotten goes back to the queue with its ownership.
      onUnsettled: () => void this.#runner?.stop().catch(() => undefined),
    });
  }

  /** Starts; returns once jobs are being taken. */
  async start(): Promise<void> {
    await this.#releaseDeadOwners();
    const started = Promise.withResolvers<void>();
    this.#supervision = this.#supervise(started.resolve);
    await started.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error('The worker is stopping.'));
    await this.#runner?.stop().catch(() => undefined);
    await this.#supervision;
    await this.#pool.end();
  }

  async #supervise(onStarted: () => void): Promise<void> {
    const { logger } = this.#options;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#runOnce(onStarted);
      } catch (thrown) {
        if (this.#stopping.signal.aborted) return;
        logger.error({ err: toError(thrown) }, 'the job worker broke off; starting it again');
        await delay(RESTART_DELAY, this.#stopping.signal).catch(() => undefined);
      }
    }
  }

  async #runOnce(onStarted: () => void): Promise<void> {
    const { databaseUrl, logger, concurrency = CONCURRENCY } = this.#options;
    const events: WorkerEvents = new EventEmitter();
    let ownership: JobOwnership | undefined;
    events.once('pool:create', ({ workerPool }) => {
      ownership = new JobOwnership(databaseUrl, workerPool.id, logger);
      void ownership.hold();
    });
    const watch = setInterval(() => void this.#releaseDeadOwners(), DEAD_OWNER_INTERVAL);
    try {
      this.#runner = await run({
        pgPool: this.#pool,
        taskList: this.#taskList(),
        concurrency,
        noHandleSignals: true,
        pollInterval: POLL_INTERVAL,
        gracefulShutdownAbortTimeout: ABORT_AFTER,
        events,
        logger: workerLogger(logger),
      });
      onStarted();
      if (this.#stopping.signal.aborted) await this.#runner.stop();
      await this.#runner.promise;
    } finally {
      clearInterval(watch);
      await ownership?.[Symbol.asyncDispose]();
    }
  }

  #taskList(): TaskList {
    return Object.fromEntries(this.#options.handlers.map((handler) => [handler.name, this.#task(handler)]));
  }

  #task(handler: JobHandler): NonNullable<TaskList[string]> {
    const { logger, onAttempt, abandon } = this.#options;
    return (payload, { job, abortSignal }) =>
      withCorrelation(undefined, async () => {
        const isLastAttempt = job.attempts >= job.max_attempts;
        const jobLogger = logger.child({ job: handler.name, jobId: job.id, attempt: job.attempts });
        const startedAt = monotonicMilliseconds();
        const report = (succeeded: boolean) =>
          onAttempt?.({
            job: handler.name,
            succeeded,
            isFinal: succeeded || isLastAttempt,
            seconds: (monotonicMilliseconds() - startedAt) / SECOND,
          });
        try {
          const signal = abandon ? AbortSignal.any([abortSignal, abandon]) : abortSignal;
          const context = { signal, logger: jobLogger, attempt: job.attempts, isLastAttempt };
          await handler.handle(payload, context);
          report(true);
        } catch (thrown) {
          report(false);
          const err = toError(thrown);
          // A job that failed for good stays in the queue's table with its last error: visible, never lost.
          if (isLastAttempt) jobLogger.error({ err, payload }, 'a job failed for good');
          else jobLogger.warn({ err, payload }, 'a job failed and will be tried again');
          throw err;
        }
      });
  }

  async #releaseDeadOwners(): Promise<void> {
    const { logger } = this.#options;
    try {
      const client = await this.#pool.connect();
      // Destroyed after a failure: it may hold locks that say that a dead process is alive.
      let failure: Error | undefined;
      try {
        const owners = await releaseDeadOwners(client);
        if (owners > 0) logger.warn({ owners }, 'gave back the jobs of processes that died');
      } catch (thrown) {
        failure = toError(thrown);
        throw failure;
      } finally {
        client.release(failure);
      }
    } catch (thrown) {
      logger.warn({ err: toError(thrown) }, 'could not look for the jobs of dead processes');
    }
  }
}

/** The queue's own messages, at our log's levels; its job failures are logged by us, with the correlation id. */
function workerLogger(logger: Logger): WorkerLogger {
  return new WorkerLogger(() => (level, message) => {
    if (level === 'error' && /^(Failed task|Job )/.test(message)) return;
    const target = level === 'warning' ? 'warn' : level === 'error' ? 'error' : 'debug';
    logger[target]({ component: 'graphile-worker' }, message);
  });
}
