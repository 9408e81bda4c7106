import { defineEntity, p } from '@mikro-orm/core';
import { baseProperties } from '../platform/base-properties.ts';

/**
 * Where the mail of an organization comes from. At most one of them: two would make two tickets of one message.
 * `PLATFORM` is the channel of whoever runs Deskgraph for others, such as an address of theirs that mail is forwarded to.
 */
export const INBOUND_CHANNELS = ['PLATFORM', 'MICROSOFT_365', 'NONE'] as const;
export type InboundChannel = (typeof INBOUND_CHANNELS)[number];

/**
 * The organization: the tenant of Deskgraph that owns everything else. Nothing is ever visible across organizations.
 */
export const OrganizationSchema = defineEntity({
  name: 'Organization',
  tableName: 'organization',
  properties: {
    ...baseProperties,
    name: p.string(),
    /** The number that the next ticket gets; raised by an atomic update, see ticketing/ticket-number.ts. */
    nextTicketNumber: p.integer().default(1),
    /** Changed under a lock only: see mailboxes/inbound-channel.ts. */
    inboundChannel: p.string().$type<InboundChannel>().default('NONE'),
    /** The `Identity` that mail is sent as where neither the thread nor the mailbox names one; an id: identities are above. */
    defaultIdentityId: p.uuid().nullable(),
    /** Whether agents may answer from their own mailboxes. */
    allowsPersonalSenders: p.boolean().default(false),
  },
});

export class Organization extends OrganizationSchema.class {}
OrganizationSchema.setClass(Organization);

/** The column that ties a row to its organization. */
export const organizationProperty = () => p.manyToOne(Organization).ref();
