import { monotonicMilliseconds, SECOND } from './clock.ts';

/**
 * Signals that come this soon after the first are copies of it: on Ctrl-C the terminal signals every process of the group,
 * and npm passes its own copy on to the script that it runs.
 */
const COPY_WINDOW = 0.5 * SECOND;

/**
 * Calls `stop` at the first SIGINT or SIGTERM, and ends the process with exit code 1 at the second: whoever asks twice does
 * not want to wait any longer.
 */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void): void {
  let firstAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    const now = monotonicMilliseconds();
    if (firstAt === undefined) {
      firstAt = now;
      stop(signal);
    } else if (now - firstAt > COPY_WINDOW) {
      process.exit(1);
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}
