import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { refuseContent } from './attachment-content.ts';
import {
  type AttachmentRow,
  lockAttachmentRows,
  type PutRows,
  putAttachmentRows,
} from './attachment-rows.ts';

/**
 * As `putAttachmentRows`, for files that are fetched again, which may be long after: what is stored stays, also when
 * somebody has taken files out of the mail meanwhile. A file that is no longer in it becomes `FAILED`, and says so. Call it
 * inside `em.transactional`.
 */
export async function matchAttachmentRows(
  em: EntityManager,
  organizationId: string,
  messageId: string,
  rows: readonly AttachmentRow[],
  now: Date,
): Promise<PutRows> {
  const existing = await lockAttachmentRows(em, organizationId, messageId);
  const hasNothing = existing.every(({ state }) => state !== 'STORED');
  if (hasNothing && rows.length > 0) return putAttachmentRows(em, organizationId, messageId, rows, now);
  const pending: AttachmentRow[] = [];
  for (const [name, same] of Map.groupBy(existing, (row) => row.name)) {
    const listed = rows.filter((row) => row.name === name);
    for (const [index, { id, state }] of same.entries()) {
      if (state !== 'PENDING') continue;
      const row = listed[index];
      if (row !== undefined) pending.push({ ...row, id });
      else await refuseContent(em, organizationId, id, 'FAILED', fileGone(now), now);
    }
  }
  return {
    pending,
    storedBytes: existing.reduce((sum, row) => sum + (row.state === 'STORED' ? row.size_bytes : 0), 0),
  };
}

function fileGone(now: Date): Problem {
  return {
    code: 'ITEM_NOT_FOUND',
    message: 'The file is no longer in the mail: somebody took it out in Outlook.',
    remedy: 'Ask the sender to send it again.',
    since: now.toISOString(),
  };
}
