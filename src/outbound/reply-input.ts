import { createHash } from 'node:crypto';
import { z } from 'zod';
import { oneLine } from '../platform/parse-input.ts';
import { cleanLine, cleanText } from '../ticketing/clean-text.ts';
import { TICKET_STATUSES } from '../ticketing/ticket.entity.ts';
import { isMailAddress, MAX_RECIPIENTS } from './recipients.ts';

/** Files that one mail names at most. */
const MAX_FILES = 100;

/** A recipient whom the caller names. */
export const correspondent = z.object({
  name: z
    .string()
    .max(200)
    .transform(cleanLine)
    .nullish()
    .transform((name) => name || null),
  emailAddress: z
    .string()
    .transform((address) => address.trim().toLowerCase())
    .refine(isMailAddress, 'it is not a mail address'),
});

const correspondents = z.array(correspondent).max(MAX_RECIPIENTS).nullish();

/** What is the same for a reply and its preview. Ids are rows'. */
export const replyInput = z.object({
  ticketId: z.uuid(),
  text: z.string().max(100_000).transform(cleanText).nullish(),
  html: z.string().max(500_000).nullish(),
  to: correspondents,
  cc: correspondents,
  bcc: correspondents,
  attachmentIds: z.array(z.uuid()).max(MAX_FILES).default([]),
  uploadIds: z.array(z.uuid()).max(MAX_FILES).default([]),
  identityId: z.uuid().nullish(),
  inReplyToMessageId: z.uuid().nullish(),
  includeQuote: z.boolean().default(true),
  /** The row's id of a file that the HTML names by `cid:`, as the caller knows it; null for what is no such name. */
  fileIdOf: z.custom<(name: string) => string | null>((value) => typeof value === 'function'),
});

export type ReplyInput = z.output<typeof replyInput>;

/** A reply that is to be sent. */
export const newReply = replyInput.extend({
  note: z
    .string()
    .max(100_000)
    .transform((given) => cleanText(given).trim())
    .nullish(),
  status: z.enum(TICKET_STATUSES).nullish(),
  idempotencyKey: oneLine.min(1).max(200).nullish(),
});

export type NewReply = z.input<typeof newReply>;

/**
 * What tells one reply from another under the same name. The ticket is no part of it: it may be merged meanwhile. Nor are
 * the ids of uploads: who got no answer may have to bring their files again.
 */
export function fingerprintOf({
  ticketId: _ticket,
  idempotencyKey: _key,
  fileIdOf: _idOf,
  uploadIds,
  html,
  ...content
}: z.output<typeof newReply>): string {
  const same = { ...content, uploads: uploadIds.length, html: html?.replace(/cid:[^\s"'<>]+/gi, 'cid:') };
  return createHash('sha256').update(JSON.stringify(same)).digest('hex');
}
