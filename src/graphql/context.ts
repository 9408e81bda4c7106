import type { Session } from '../access/session.ts';
import { type EntityManager, forkFor } from '../platform/database.ts';
import { UnauthenticatedError } from './authorization-errors.ts';
import type { Services } from './services.ts';

/**
 * What a resolver gets. It lives for one request, and for ONE event of a subscription: a stream that stays open for days
 * reads the session and the rows anew each time (a socket's context would keep a permission that is long gone).
 */
export interface GraphQLContext {
  /** Who asks; null without credentials. Root types demand one, so resolvers below them use `actor`. */
  readonly session: Session | null;
  /** Who asks. Throws {@link UnauthenticatedError} without credentials. */
  readonly actor: Session;
  /**
   * The request's entity manager, which sees the actor's organization and nothing else. Made when first used. Throws
   * {@link UnauthenticatedError} without credentials: there is no organization to see.
   */
  readonly em: EntityManager;
  readonly services: Services;
  /** Aborts when nobody waits for the answer any more, and at the request's deadline. Pass it to every outside call. */
  readonly signal: AbortSignal;
}

/** Makes the context of one request or of one event. */
export function createContext(
  services: Services,
  session: Session | null,
  signal: AbortSignal,
): GraphQLContext {
  let em: EntityManager | undefined;
  return {
    session,
    services,
    signal,
    get actor() {
      if (session === null) throw new UnauthenticatedError();
      return session;
    },
    get em() {
      if (session === null) throw new UnauthenticatedError();
      em ??= forkFor(services.database, session.organizationId, signal);
      return em;
    },
  };
}
