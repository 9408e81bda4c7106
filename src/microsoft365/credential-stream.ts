import { forkFor } from '../platform/database.ts';
import type { EventBus } from '../realtime/event-bus.ts';
import { mapStream } from '../realtime/map-stream.ts';
import { streamEvents } from '../realtime/stream.ts';
import { Integration } from './integration.entity.ts';

/** An integration whose credential is about to expire. */
export interface CredentialEvent {
  cursor: string;
  integration: Integration;
}

/** What to follow. */
export interface CredentialStreamOptions {
  organizationId: string;
  after?: string | null | undefined;
  signal: AbortSignal;
}

/**
 * The integrations of one organization whose credential reached a threshold, each as it is when it is delivered; one that
 * is gone by then is left out. Throws as streamEvents does.
 */
export function streamCredentialWarnings(
  bus: EventBus,
  { organizationId, after, signal }: CredentialStreamOptions,
): AsyncIterableIterator<CredentialEvent, undefined> {
  const events = streamEvents(bus, { organizationId, types: ['credential.expiring'], after, signal });
  return mapStream(events, async ({ cursor, event }) => {
    const integration = await forkFor(bus.database, organizationId).findOne(Integration, event.integrationId);
    return integration && { cursor, integration };
  });
}
