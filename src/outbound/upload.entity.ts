import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';

/**
 * A file that a user brings for a reply: announced first, then sent, then used once. What is not used is deleted with its
 * content.
 */
export const UploadSchema = defineEntity({
  name: 'Upload',
  tableName: 'upload',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    /** Who brings it; nobody else can send or use it. */
    author: () => p.manyToOne(User).ref(),
    /** A file name that is safe on every system. */
    name: p.text(),
    /** The caller's word for it. */
    contentType: p.text(),
    /** What was announced; the content has exactly so many bytes. */
    sizeBytes: p.integer(),
    /** Its `StoredContent`; null until the whole of it has come. */
    storedContentId: p.uuid().nullable(),
    /** SHA-256 of the content in hexadecimal; null until it is stored. */
    sha256: p.text().nullable(),
    /** What the content says that it is; null until it is stored, and when nobody knows. */
    detectedContentType: p.text().nullable(),
    expiresAt: p.datetime(),
  },
});

export class Upload extends UploadSchema.class {}
UploadSchema.setClass(Upload);
