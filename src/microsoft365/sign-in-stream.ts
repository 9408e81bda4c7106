import { forkFor } from '../platform/database.ts';
import type { EventBus } from '../realtime/event-bus.ts';
import { mapStream } from '../realtime/map-stream.ts';
import { streamEvents } from '../realtime/stream.ts';
import { SignInAttempt } from './sign-in-attempt.entity.ts';

/** A sign-in that came to its end. */
export interface SignInAttemptEvent {
  cursor: string;
  attempt: SignInAttempt;
}

/** What to follow. */
export interface SignInStreamOptions {
  organizationId: string;
  after?: string | null | undefined;
  signal: AbortSignal;
}

/**
 * The sign-ins of one organization that were completed or refused, each as it is when it is delivered; one that is gone by
 * then is left out. Throws as streamEvents does.
 */
export function streamSignIns(
  bus: EventBus,
  { organizationId, after, signal }: SignInStreamOptions,
): AsyncIterableIterator<SignInAttemptEvent, undefined> {
  const events = streamEvents(bus, { organizationId, types: ['sign-in.ended'], after, signal });
  return mapStream(events, async ({ cursor, event }) => {
    const attempt = await forkFor(bus.database, organizationId).findOne(SignInAttempt, event.signInAttemptId);
    return attempt && { cursor, attempt };
  });
}
