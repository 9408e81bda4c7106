import { z } from 'zod';
import { toError } from '../errors.ts';
import type { Database, EntityManager } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { Notifications } from '../platform/notifications.ts';
import { SessionEndedError } from './access-errors.ts';
import { reloadSession, type Session } from './session.ts';

/** The channel on which processes learn that sessions may have ended. */
const SESSION_CHANNEL = 'deskgraph_session';

const change = z.union([z.object({ apiKeyId: z.uuid() }), z.object({ userId: z.uuid() })]);

/** Whose sessions may have ended: one key's, or all of one user's. */
export type SessionChange = z.infer<typeof change>;

/** Tells every process, when the caller's transaction commits, to look at these sessions again. */
export async function announceSessionChange(em: EntityManager, which: SessionChange): Promise<void> {
  await em.execute(`select pg_notify('${SESSION_CHANNEL}', ?)`, [JSON.stringify(which)]);
}

/** A session under watch. Dispose of it when the connection that it guards has ended. */
export interface WatchedSession extends Disposable {
  /**
   * Aborts with SessionEndedError as soon as the key is revoked, or the user is disabled or gets another role: within
   * milliseconds in every process, or when the connection to the database is back.
   */
  readonly signal: AbortSignal;
}

/** Ends long-lived connections with the sessions they stand on. */
export interface SessionWatch {
  watch(session: Session): WatchedSession;
  /** How many sessions are watched now. */
  readonly size: number;
}

/** What the watch needs. */
export interface SessionWatchOptions {
  database: Database;
  notifications: Notifications;
  logger: Logger;
}

/**
 * Makes the process's watch. A notification names whom to look at; what counts is the session read again, so a forged or
 * doubled notification costs a query and nothing else.
 */
export function createSessionWatch({ database, notifications, logger }: SessionWatchOptions): SessionWatch {
  const watched = new Map<AbortController, Session>();

  const check = (controller: AbortController, session: Session) => {
    reloadSession(database, session).then(
      (now) => {
        if (now === null || now.role !== session.role) controller.abort(new SessionEndedError());
      },
      (thrown) => {
        // Fails closed: whoever cannot be shown to be still allowed is asked to come again.
        logger.warn({ err: toError(thrown) }, 'could not check a session; ending its streams');
        controller.abort(new SessionEndedError());
      },
    );
  };
  const checkAll = (isMeant: (session: Session) => boolean) => {
    for (const [controller, session] of watched) {
      if (isMeant(session)) check(controller, session);
    }
  };

  notifications.listen(SESSION_CHANNEL, {
    onMessage(payload) {
      const which = parseChange(payload);
      if (!which) return logger.warn('a session notification could not be read');
      checkAll((session) =>
        'apiKeyId' in which ? session.apiKeyId === which.apiKeyId : session.userId === which.userId,
      );
    },
    onListening: () => checkAll(() => true),
  });

  return {
    watch(session) {
      const controller = new AbortController();
      watched.set(controller, session);
      // The session was read a moment ago: what was announced between then and now was announced to nobody.
      check(controller, session);
      return {
        signal: controller.signal,
        [Symbol.dispose]: () => {
          watched.delete(controller);
        },
      };
    },
    get size() {
      return watched.size;
    },
  };
}

function parseChange(payload: string): SessionChange | undefined {
  try {
    return change.parse(JSON.parse(payload));
  } catch {
    return undefined;
  }
}
