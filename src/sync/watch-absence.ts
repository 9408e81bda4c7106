import { toError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { Notifications } from '../platform/notifications.ts';
import { requestRecovery } from './recover-mailboxes.ts';

/** Nothing is announced on it: a channel is what the connection tells of its coming back by. */
const CHANNEL = 'deskgraph_absence';

/**
 * Asks for recovery now, and whenever the database was away and is back: without it notifications could not be stored. For
 * a process that takes notifications, once it takes them. Disposing of it ends the watch, and waits for what it asks.
 */
export function watchAbsence({
  database,
  clock,
  notifications,
  logger,
}: {
  database: Database;
  clock: Clock;
  notifications: Notifications;
  logger: Logger;
}): AsyncDisposable {
  let asking: Promise<void> = Promise.resolve();
  const stop = notifications.listen(CHANNEL, {
    onMessage: () => undefined,
    onListening() {
      asking = requestRecovery(forkAcrossOrganizations(database), clock).catch((thrown) => {
        // Away again: its coming back asks again.
        logger.warn({ err: toError(thrown) }, 'could not ask for what came while nobody listened');
      });
    },
  });
  return {
    async [Symbol.asyncDispose]() {
      stop();
      await asking;
    },
  };
}
