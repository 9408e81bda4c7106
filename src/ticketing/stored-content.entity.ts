import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { StorageKind } from '../platform/object-storage.ts';

/**
 * `WRITING`: on its way, or left behind by a crash. `STORED`: whole; attachments refer to it. `DELETING`: nobody refers to
 * it, and nobody ever will again.
 */
export type StoredContentState = 'WRITING' | 'STORED' | 'DELETING';

/**
 * A content of an organization, stored once however many attachments have it. The row is there before the first byte and
 * until after the last: whatever a crash leaves behind in a storage is found by it.
 */
export const StoredContentSchema = defineEntity({
  name: 'StoredContent',
  tableName: 'stored_content',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    /** Where it lies, whatever is configured now. */
    storage: p.string().$type<StorageKind>(),
    state: p.string().$type<StoredContentState>(),
    /** SHA-256 in hexadecimal; null while it is being written. Of those that are stored, unique in the organization. */
    sha256: p.string().nullable(),
    /** Null while it is being written. */
    sizeBytes: p.integer().nullable(),
    /** An attachment that referred to it was deleted (a trigger of the database says so): it may be nobody's by now. */
    isReleased: p.boolean().default(false),
  },
});

export class StoredContent extends StoredContentSchema.class {}
StoredContentSchema.setClass(StoredContent);
