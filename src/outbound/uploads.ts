import { z } from 'zod';
import { Organization } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { ExpectedError } from '../errors.ts';
import { LARGEST_FILE_BYTES } from '../microsoft365/mail-upload.ts';
import { DAY } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { parseInput } from '../platform/parse-input.ts';
import { type ContentPlace, ContentTooLargeError, storeContentFor } from '../ticketing/attachment-content.ts';
import { safeFileName } from '../ticketing/attachment-name.ts';
import { mediaType } from '../ticketing/content-type.ts';
import { Upload } from './upload.entity.ts';

/** What Microsoft 365 takes as one file, and we as all files of a mail: nothing is taken here that cannot be sent. */
export const MAX_UPLOAD_BYTES = LARGEST_FILE_BYTES;
/** How long an upload waits to be used. */
export const UPLOAD_LIFETIME = DAY;
/** Uploads of one user, and of one organization, that wait to be used. */
export const MAX_OPEN_UPLOADS = { perUser: 100, perOrganization: 1_000 };
/** Bytes that these have together, announced or stored. */
export const MAX_OPEN_UPLOAD_BYTES = { perUser: 1024 ** 3, perOrganization: 10 * 1024 ** 3 };

const newUpload = z.object({
  name: z.string().min(1).max(1_000).transform(safeFileName),
  contentType: z.string().max(255).transform(mediaType),
  sizeBytes: z.int().min(1).max(MAX_UPLOAD_BYTES),
});

export type NewUpload = z.input<typeof newUpload>;

/** Too much waits to be used already. */
export class TooManyUploadsError extends ExpectedError {
  constructor(whose: 'user' | 'organization') {
    const limits = whose === 'user' ? 'perUser' : 'perOrganization';
    super(
      'TOO_MANY_UPLOADS',
      `Of one ${whose}, at most ${MAX_OPEN_UPLOADS[limits]} uploads with ${MAX_OPEN_UPLOAD_BYTES[limits] / 1024 ** 3} GB together may wait to be used.`,
      'Use them in replies; what is not used is deleted after 24 hours.',
    );
  }
}

/** The content has another size than was announced. */
export class UploadSizeError extends ExpectedError {
  constructor(announced: number, came: string) {
    super(
      'UPLOAD_SIZE_MISMATCH',
      `The upload was announced with ${announced} bytes, and ${came}.`,
      'Send the whole file again; or announce it anew with its true size.',
    );
  }
}

/** Announces a file. Throws InvalidInputError and {@link TooManyUploadsError}. */
export async function createUpload(
  em: EntityManager,
  input: NewUpload,
  { actor, now }: { actor: { organizationId: string; userId: string }; now: Date },
): Promise<Upload> {
  const given = parseInput(newUpload, input);
  const { organizationId, userId } = actor;
  return em.transactional(async (inside) => {
    // Two at once would both find room for the last one.
    await inside.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [
      `uploads:${organizationId}`,
    ]);
    const [open] = await inside.execute<Record<'count' | 'bytes' | 'ownCount' | 'ownBytes', number>[]>(
      `select count(*)::integer as count, coalesce(sum(size_bytes), 0)::float8 as bytes,
         count(*) filter (where author_id = ?)::integer as "ownCount",
         coalesce(sum(size_bytes) filter (where author_id = ?), 0)::float8 as "ownBytes"
       from upload where organization_id = ? and expires_at > ?`,
      [userId, userId, organizationId, now],
    );
    const isOver = (limits: 'perUser' | 'perOrganization', count = 0, bytes = 0) =>
      count >= MAX_OPEN_UPLOADS[limits] || bytes + given.sizeBytes > MAX_OPEN_UPLOAD_BYTES[limits];
    if (isOver('perUser', open?.ownCount, open?.ownBytes)) throw new TooManyUploadsError('user');
    if (isOver('perOrganization', open?.count, open?.bytes)) throw new TooManyUploadsError('organization');
    const upload = inside.create(Upload, {
      organization: inside.getReference(Organization, organizationId),
      author: inside.getReference(User, userId),
      ...given,
      expiresAt: new Date(now.getTime() + UPLOAD_LIFETIME),
      createdAt: now,
      updatedAt: now,
    });
    await inside.flush();
    return upload;
  });
}

/** The user's upload of this id that may still be sent or used; null when there is none. */
export function findUpload(em: EntityManager, id: string, userId: string, now: Date): Promise<Upload | null> {
  return em.findOne(Upload, { id, author: userId, expiresAt: { $gt: now } }, { refresh: true });
}

/**
 * Stores the content of an upload as it comes, and gives its SHA-256. What breaks off leaves nothing: it is sent again from
 * its beginning. Of two that come at once the first one counts.
 *
 * Throws {@link UploadSizeError} when it is not as long as announced; then nothing is kept.
 */
export async function storeUpload(
  em: EntityManager,
  upload: Pick<Upload, 'id' | 'sizeBytes'>,
  place: Omit<ContentPlace, 'maxBytes'>,
  content: AsyncIterable<Uint8Array>,
): Promise<string> {
  const { id, sizeBytes } = upload;
  try {
    const { sha256 } = await storeContentFor(
      em,
      { ...place, maxBytes: sizeBytes },
      exactly(content, sizeBytes),
      async (inside, whole) => {
        const updated = await inside.execute<object[]>(
          `update upload set stored_content_id = ?, sha256 = ?, detected_content_type = ?, updated_at = ?
           where organization_id = ? and id = ? and stored_content_id is null returning id`,
          [
            whole.storedContentId,
            whole.sha256,
            whole.detectedContentType,
            place.now(),
            place.organizationId,
            id,
          ],
        );
        return updated.length > 0;
      },
    );
    return sha256;
  } catch (error) {
    if (error instanceof ContentTooLargeError) throw new UploadSizeError(sizeBytes, 'more came');
    throw error;
  }
}

async function* exactly(content: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let came = 0;
  for await (const bytes of content) {
    came += bytes.length;
    yield bytes;
  }
  if (came < sizeBytes) throw new UploadSizeError(sizeBytes, `${came} came`);
}
