import { forkFor } from '../platform/database.ts';
import type { EventBus } from '../realtime/event-bus.ts';
import { mapStream } from '../realtime/map-stream.ts';
import { type StreamOptions, streamEvents } from '../realtime/stream.ts';
import { Organization } from './organization.entity.ts';

/** The settings of the organization were changed. */
export interface OrganizationEvent {
  cursor: string;
  organization: Organization;
}

/** Follows the settings of one organization, each time as they are at delivery. Throws what `streamEvents` throws. */
export function streamOrganization(
  bus: EventBus,
  options: Omit<StreamOptions<'organization.changed'>, 'types'>,
): AsyncIterableIterator<OrganizationEvent, undefined> {
  const { organizationId } = options;
  const events = streamEvents(bus, { ...options, types: ['organization.changed'] });
  return mapStream(events, async ({ cursor }) => {
    const organization = await forkFor(bus.database, organizationId).findOne(Organization, organizationId);
    return organization && { cursor, organization };
  });
}
