import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import { Message } from './message.entity.ts';

/** `PENDING`: known, content not fetched yet. `TOO_LARGE`: over the limit, left at Microsoft. `LINK`: only a link. */
export const ATTACHMENT_STATES = ['PENDING', 'STORED', 'TOO_LARGE', 'LINK', 'FAILED'] as const;
export type AttachmentState = (typeof ATTACHMENT_STATES)[number];

/** A file of a message. Its content is a row of its own, which it may share with others: see `StoredContent`. */
export const AttachmentSchema = defineEntity({
  name: 'Attachment',
  tableName: 'attachment',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    message: () => p.manyToOne(Message).ref(),
    /** Where it stands in its message, from 0: with the message it is what makes storing idempotent. */
    position: p.integer(),
    /** A file name that is safe on every system. */
    name: p.text(),
    contentType: p.string(),
    sizeBytes: p.integer(),
    /** Content-ID without angle brackets, as `cid:` in the HTML names it. */
    contentId: p.string().nullable(),
    isInline: p.boolean().default(false),
    /** Where the file is, for `LINK`; null when Microsoft does not tell. */
    link: p.text().nullable(),
    state: p.string().$type<AttachmentState>(),
    /** SHA-256 of the content in hexadecimal; null until it is stored. */
    sha256: p.string().nullable(),
    /** Its `StoredContent`; null until it is stored. */
    storedContentId: p.uuid().nullable(),
    /** What the content says that it is; null until it is stored, and when nobody knows. */
    detectedContentType: p.string().nullable(),
    /** Why its content is not here; or, with `STORED`, what people should know of it. */
    problem: p.json<Problem>().nullable(),
  },
});

export class Attachment extends AttachmentSchema.class {}
AttachmentSchema.setClass(Attachment);
