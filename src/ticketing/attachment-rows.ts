import { v7 as uuidv7 } from 'uuid';
import type { IncomingAttachment } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import type { AttachmentState } from './attachment.entity.ts';
import { itemFileName, safeFileName } from './attachment-name.ts';
import { bounded, cleanLine, cleanText } from './clean-text.ts';
import { mediaType } from './content-type.ts';

/** How much of attachments is kept. */
export interface AttachmentLimits {
  /** Bytes of one file. Exchange itself takes 150 MB. */
  maxFileBytes: number;
  /** Bytes of all files of one message together. */
  maxMessageBytes: number;
  /** Attachments of one message. */
  maxAttachments: number;
}

export const DEFAULT_ATTACHMENT_LIMITS: AttachmentLimits = {
  maxFileBytes: 150 * 1024 * 1024,
  maxMessageBytes: 300 * 1024 * 1024,
  maxAttachments: 200,
};

/** Microsoft counts a file in its transport form, a third larger. */
const TRANSPORT_FACTOR = 1.5;

/** Whether a file of this size, by Microsoft's word, is above a limit for sure: then it is not even asked for. */
export function isSurelyLarger(sizeBytes: number, maxBytes: number): boolean {
  return sizeBytes > maxBytes * TRANSPORT_FACTOR;
}

/** An attachment as its row begins. */
export interface AttachmentRow {
  id: string;
  position: number;
  name: string;
  content_type: string;
  size_bytes: number;
  content_id: string | null;
  is_inline: boolean;
  link: string | null;
  state: AttachmentState;
  problem: Problem | null;
}

/** The rows that a listing asks for: at most as many as the limit allows, and one more that tells of the rest. */
export function describeAttachments(
  listing: readonly IncomingAttachment[],
  limits: AttachmentLimits,
  now: Date,
): AttachmentRow[] {
  const rows = listing
    .slice(0, limits.maxAttachments)
    .map((one, position) => describe(one, position, limits, now));
  const left = listing.length - rows.length;
  if (left === 0) return rows;
  return [
    ...rows,
    {
      ...unlisted({
        code: 'TOO_MANY_ATTACHMENTS',
        message: `The message has ${left} attachments more than the ${limits.maxAttachments} that are kept.`,
        remedy: 'Open the message in the mailbox to see them.',
        since: now.toISOString(),
      }),
      position: rows.length,
      name: `${left} more`,
    },
  ];
}

/** The row that stands for attachments that could never be listed. */
export function unlisted(problem: Problem): AttachmentRow {
  return {
    id: uuidv7(),
    position: 0,
    name: 'attachments',
    content_type: 'application/octet-stream',
    size_bytes: 0,
    content_id: null,
    is_inline: false,
    link: null,
    state: 'FAILED',
    problem,
  };
}

/** Why a file is not kept: it is too large by itself. `sizeBytes` is as Microsoft tells it. */
export function tooLarge({ maxFileBytes }: AttachmentLimits, sizeBytes: number, now: Date): Problem {
  return {
    code: 'ATTACHMENT_TOO_LARGE',
    message: `The file has about ${megabytes(sizeBytes)} MB, more than the ${megabytes(maxFileBytes)} MB that are kept of a file.`,
    remedy:
      'Open the message in the mailbox to get it. Or an administrator raises DESKGRAPH_MAX_ATTACHMENT_MB; `retryAttachment` then fetches it.',
    since: now.toISOString(),
  };
}

/** Why a file is not kept: the files before it have taken all the room of the message. */
export function tooMuch({ maxMessageBytes }: AttachmentLimits, sizeBytes: number, now: Date): Problem {
  return {
    code: 'ATTACHMENTS_TOO_LARGE',
    message: `With this file, of about ${megabytes(sizeBytes)} MB, the message has more than the ${megabytes(maxMessageBytes)} MB of files that are kept.`,
    remedy:
      'Open the message in the mailbox to get it. Or an administrator raises DESKGRAPH_MAX_MESSAGE_MB; `retryAttachment` then fetches it.',
    since: now.toISOString(),
  };
}

function megabytes(bytes: number): number {
  return Math.max(0.1, Math.round(bytes / 104_857.6) / 10);
}

/** Why a link leads nowhere: version 1.0 of Microsoft Graph lists attached links without their address. */
function noLink(now: Date): Problem {
  return {
    code: 'ATTACHMENT_LINK_UNKNOWN',
    message:
      'The sender attached a link to a file in the cloud, and Microsoft does not tell an https address of it.',
    remedy: 'Follow the link in the text of the message, or open the message in the mailbox.',
    since: now.toISOString(),
  };
}

/** Rows that wait for their content, and what others of the message have taken already. */
export interface PutRows {
  pending: AttachmentRow[];
  /** Bytes of the files that an earlier attempt has stored. */
  storedBytes: number;
}

/** A file of a message as it is stored. */
export interface ExistingRow {
  id: string;
  name: string;
  state: AttachmentState;
  size_bytes: number;
}

/**
 * The rows that a message has, in their order. Two attempts of one job at once (the first one's worker was taken for dead)
 * wait for each other here: call it inside `em.transactional`.
 */
export async function lockAttachmentRows(
  em: EntityManager,
  organizationId: string,
  messageId: string,
): Promise<ExistingRow[]> {
  await em.execute('select from message where organization_id = ? and id = ? for no key update', [
    organizationId,
    messageId,
  ]);
  return em.execute<ExistingRow[]>(
    `select id, name, state, size_bytes from attachment where organization_id = ? and message_id = ?
     order by position`,
    [organizationId, messageId],
  );
}

/**
 * Makes the rows of a message, once: an attempt that finds them goes on with them. When the listing no longer fits what
 * is stored, everything begins anew. Call it inside `em.transactional`.
 */
export async function putAttachmentRows(
  em: EntityManager,
  organizationId: string,
  messageId: string,
  rows: readonly AttachmentRow[],
  now: Date,
): Promise<PutRows> {
  const existing = await lockAttachmentRows(em, organizationId, messageId);
  const isSame = existing.length === rows.length && existing.every(({ name }, i) => name === rows[i]?.name);
  if (isSame) {
    return {
      pending: rows.flatMap((row, i) => {
        const known = existing[i];
        return known?.state === 'PENDING' ? [{ ...row, id: known.id }] : [];
      }),
      storedBytes: existing.reduce((sum, row) => sum + (row.state === 'STORED' ? row.size_bytes : 0), 0),
    };
  }
  await em.execute('delete from attachment where organization_id = ? and message_id = ?', [
    organizationId,
    messageId,
  ]);
  await em.execute(
    `insert into attachment (id, organization_id, message_id, position, name, content_type, size_bytes, content_id,
       is_inline, link, state, problem, created_at, updated_at)
     select id, ?::uuid, ?::uuid, position, name, content_type, size_bytes, content_id,
       is_inline, link, state, problem, ?::timestamptz, ?::timestamptz
     from json_to_recordset(?::json) as row(id uuid, position integer, name text, content_type text,
       size_bytes integer, content_id text, is_inline boolean, link text, state text, problem jsonb)`,
    [organizationId, messageId, now, now, JSON.stringify(rows)],
  );
  return { pending: rows.filter(({ state }) => state === 'PENDING'), storedBytes: 0 };
}

function describe(
  one: IncomingAttachment,
  position: number,
  limits: AttachmentLimits,
  now: Date,
): AttachmentRow {
  const isTooLarge = one.kind === 'FILE' && isSurelyLarger(one.sizeBytes, limits.maxFileBytes);
  const link = one.link === null ? null : safeLink(one.link);
  return {
    id: uuidv7(),
    position,
    name: one.kind === 'ITEM' ? itemFileName(one.name) : safeFileName(one.name),
    content_type: one.kind === 'ITEM' ? 'message/rfc822' : mediaType(one.contentType),
    size_bytes: Math.min(Math.max(0, Math.trunc(one.sizeBytes) || 0), 2 ** 31 - 1), // what GraphQL can say
    content_id: one.contentId === null ? null : bounded(cleanLine(one.contentId), 500),
    is_inline: one.isInline,
    link,
    state: one.kind === 'LINK' ? 'LINK' : isTooLarge ? 'TOO_LARGE' : 'PENDING',
    problem: isTooLarge
      ? tooLarge(limits, one.sizeBytes, now)
      : one.kind === 'LINK' && link === null
        ? noLink(now)
        : null,
  };
}

/** Links are shown to people: only to where a browser goes without being read on the way, and never to a script. */
function safeLink(link: string): string | null {
  const url = URL.parse(cleanText(link.slice(0, 4_000)));
  return url?.protocol === 'https:' ? url.href : null;
}
