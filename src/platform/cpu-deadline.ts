import { createContext, Script } from 'node:vm';

const global: { work?: () => unknown } = {};
const context = createContext(global);
const script = new Script('work()');

/** How many times as long it may take by the clock on the wall, when the machine is busy with something else. */
const MOST_TIMES = 6;
/** With less of the limit than this, the machine was busy elsewhere and the work is not to blame. */
const OWN_SHARE = 0.8;

/**
 * Runs synchronous work that foreign input could make very long (regular expressions, parsers), and throws
 * `ERR_SCRIPT_EXECUTION_TIMEOUT` when it takes more than `milliseconds` of computing. Without it one hostile text could hold
 * the whole process. Costs a watchdog thread, some 50 µs: not for tight loops.
 *
 * What it counts is the computing of this thread: what becomes of a mail must not depend on how busy the machine is. The
 * watchdog knows only the clock, so work that was cut off while others had the processor is done anew, with more time.
 *
 * The work is cut off at any point: it must leave nothing half-changed that is used afterwards. Not reentrant.
 */
export function withCpuDeadline<T>(milliseconds: number, work: () => T): T {
  const longest = MOST_TIMES * milliseconds;
  for (let limit = milliseconds; ; ) {
    const before = process.threadCpuUsage();
    global.work = work;
    try {
      return script.runInContext(context, { timeout: limit }) as T;
    } catch (error) {
      const { user, system } = process.threadCpuUsage(before);
      const used = (user + system) / 1_000;
      if (!isCutOff(error) || used >= OWN_SHARE * milliseconds || limit >= longest) throw error;
      // As much by the clock as the whole of it takes at this pace, and some more.
      const atThisPace = (1.25 * milliseconds * limit) / Math.max(used, 1);
      limit = Math.ceil(Math.min(longest, Math.max(2 * limit, atThisPace)));
    } finally {
      delete global.work;
    }
  }
}

/** Whether that is what {@link withCpuDeadline} throws: it comes from another realm and is no `Error` of ours. */
export function isCutOff(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
}
