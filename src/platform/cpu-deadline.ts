import { createContext, Script } from 'node:vm';

const global: { work?: () => unknown } = {};
const context = createContext(global);
const script = new Script('work()');

/**
 * Runs synchronous work that foreign input could make very long (regular expressions, parsers), and throws
 * `ERR_SCRIPT_EXECUTION_TIMEOUT` when it takes longer than `milliseconds`. Without it one hostile text could hold the
 * whole process. Costs a watchdog thread, some 50 µs: not for tight loops.
 *
 * The work is cut off at any point: it must leave nothing half-changed that is used afterwards. Not reentrant.
 */
export function withCpuDeadline<T>(milliseconds: number, work: () => T): T {
  global.work = work;
  try {
    return script.runInContext(context, { timeout: milliseconds }) as T;
  } finally {
    delete global.work;
  }
}
