/*
 * A process of the fleet that sends, and dies where it is told to: by `SIGKILL` from itself, in the middle of a step, so
 * that nothing after it happens. What dies is written into a file before, since nobody else can tell.
 */
import { appendFileSync } from 'node:fs';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { toError } from '../../src/errors.ts';
import type { FaultPoint } from '../../src/outbound/fault-points.ts';
import { adoptConsole, createLogger } from '../../src/platform/logger.ts';
import { onStopSignal } from '../../src/platform/stop-signals.ts';

const { CHAOS_DIE_AT = '', CHAOS_DIE_AFTER = '1', CHAOS_DEATHS = '', CHAOS_SETTLE_MS = '' } = process.env;
const deadly = new Set(CHAOS_DIE_AT.split(' '));
let left = Number(CHAOS_DIE_AFTER);

function reached(point: FaultPoint): Promise<void> | undefined {
  if (!deadly.has(point)) return undefined;
  left -= 1;
  if (left > 0) return undefined;
  appendFileSync(CHAOS_DEATHS, `${point}\n`);
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way; nothing more may be done.
  return new Promise(() => undefined);
}

const config = readConfig();
const logger = createLogger(config.logLevel);
adoptConsole(logger);
const settling = Number(CHAOS_SETTLE_MS);
const app = await createApp(config, logger, {
  reached,
  outbox: { times: { unclearSend: settling, lostDraft: settling / 2 } },
});
const stop = () => {
  app[Symbol.asyncDispose]().then(
    () => process.exit(0),
    () => process.exit(1),
  );
};
onStopSignal(stop);
for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(kind, (thrown: unknown) => {
    logger.fatal({ err: toError(thrown) }, 'an error that nobody caught');
    stop();
  });
}
logger.info({ url: app.url, roles: [...config.roles] }, 'ready');
