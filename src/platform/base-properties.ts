import { p } from '@mikro-orm/core';
import { v7 as uuidv7 } from 'uuid';
import { systemClock } from './clock.ts';

/** The columns that every entity has. Ids are UUIDs of version 7 (RFC 9562): they sort by the time of creation. */
export const baseProperties = {
  id: p
    .uuid()
    .primary()
    .onCreate(() => uuidv7()),
  createdAt: p.datetime().onCreate(() => systemClock.now()),
  updatedAt: p
    .datetime()
    .onCreate(() => systemClock.now())
    .onUpdate(() => systemClock.now()),
};

/** The filter that keeps an entity inside its organization. Without a value it throws: it fails closed. */
export const organizationFilter = {
  organization: {
    name: 'organization',
    cond: ({ organizationId }: { organizationId: string }) => ({ organization: organizationId }),
    default: true,
  },
};
