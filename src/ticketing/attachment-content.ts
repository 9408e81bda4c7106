import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { EntityManager } from '../platform/database.ts';
import type { ObjectStorages, StoredObject } from '../platform/object-storage.ts';
import type { Problem } from '../platform/problem.ts';
import { detectContentType, SNIFFED_BYTES, TNEF } from './content-type.ts';
import {
  beginContent,
  discardContent,
  findContent,
  finishContent,
  type NewContent,
} from './stored-contents.ts';

/** A file up to here is read whole before anything is stored: what is here already is then not stored again. */
const WHOLE_BYTES = 1024 * 1024;

/** The file is larger than the limit; nothing of it is kept. */
export class ContentTooLargeError extends Error {
  /** The limit that it is over, in bytes. */
  readonly maxBytes: number;

  constructor(maxBytes: number) {
    super(`The content is larger than ${maxBytes} bytes.`);
    this.maxBytes = maxBytes;
  }
}

/** Where a content goes. */
export interface ContentPlace {
  storages: ObjectStorages;
  organizationId: string;
  maxBytes: number;
  now: () => Date;
  signal?: AbortSignal;
}

/** Which attachment the content is of, and where it goes. */
export interface ContentTarget extends ContentPlace {
  attachmentId: string;
}

/** A content that is whole, as its owner's row has it. */
export interface WholeContent extends StoredObject {
  storedContentId: string;
  /** What it says that it is; null when nobody knows. */
  detectedContentType: string | null;
}

/**
 * Makes the owner of a content refer to it, in the transaction that makes the content one to refer to. False: there is no
 * owner any more, or it has its content already; then nothing is kept.
 */
export type ReferToContent = (em: EntityManager, content: WholeContent) => Promise<boolean>;

/**
 * Stores a file's content as it comes, once for all attachments of the organization that have the same, and marks the
 * attachment `STORED` with its true size, its SHA-256 and what its content says that it is. Gives its size.
 *
 * Until the last statement the attachment stays `PENDING`, so that what a crash leaves behind is never shown; it is swept
 * up (see sweep-contents.ts), and the next attempt stores the content anew.
 *
 * Throws {@link ContentTooLargeError} as soon as more than `maxBytes` came; then nothing is kept.
 */
export async function storeContent(
  em: EntityManager,
  target: ContentTarget,
  content: AsyncIterable<Uint8Array>,
): Promise<number> {
  const { sizeBytes } = await storeContentFor(em, target, content, (inside, whole) =>
    refer(inside, target, whole),
  );
  return sizeBytes;
}

/** {@link storeContent} for an owner of any kind, which `refer` makes refer to it. Gives its size and its SHA-256. */
export async function storeContentFor(
  em: EntityManager,
  target: ContentPlace,
  content: AsyncIterable<Uint8Array>,
  refer: ReferToContent,
): Promise<StoredObject> {
  const { storages, organizationId, now, signal } = target;
  const { head, isWhole, all } = await readHead(limited(content, target.maxBytes));
  const detected = await detectContentType(head);
  if (isWhole) {
    const known = { sizeBytes: head.length, sha256: createHash('sha256').update(head).digest('hex') };
    const isKnown = await em.transactional((inside) => referToKnown(inside, target, known, detected, refer));
    if (isKnown) return known;
  }
  const begun: NewContent = { organizationId, id: uuidv7(), storage: storages.primary.kind };
  await beginContent(em, begun, now());
  let stored: StoredObject;
  try {
    stored = await storages.primary.put(begun, all, signal);
  } catch (error) {
    // What fails here fails again in the sweeper, which is there for it: the first failure is the one to tell.
    await discardContent(em, storages, begun).catch(() => undefined);
    throw error;
  }
  // When this throws, nobody knows whether it was committed: the content must stay, and the sweeper decides about it.
  const isKept = await em.transactional(async (inside) => {
    if (await referToKnown(inside, target, stored, detected, refer)) return false;
    // An attachment that was deleted meanwhile, or that another attempt was faster with, needs it no more.
    const whole = { ...stored, storedContentId: begun.id, detectedContentType: detected };
    if (!(await refer(inside, whole))) return false;
    await finishContent(inside, begun, stored, now());
    return true;
  });
  if (!isKept) await discardContent(em, storages, begun).catch(() => undefined);
  return stored;
}

/** Makes the owner refer to the same content, if the organization has it. Holds the content until the end. */
async function referToKnown(
  em: EntityManager,
  target: ContentPlace,
  stored: StoredObject,
  detected: string | null,
  refer: ReferToContent,
): Promise<boolean> {
  const id = await findContent(em, target.organizationId, stored.sha256);
  if (id === null) return false;
  await refer(em, { ...stored, storedContentId: id, detectedContentType: detected });
  return true;
}

async function refer(
  em: EntityManager,
  { organizationId, attachmentId, now }: ContentTarget,
  { storedContentId, sizeBytes, sha256, detectedContentType: detected }: WholeContent,
): Promise<boolean> {
  const problem = detected === TNEF ? winmail(now()) : null;
  const updated = await em.execute<object[]>(
    `update attachment set state = 'STORED', stored_content_id = ?, size_bytes = ?, sha256 = ?,
       detected_content_type = ?, problem = ?::jsonb, updated_at = ?
     where organization_id = ? and id = ? and state = 'PENDING' returning id`,
    [
      storedContentId,
      sizeBytes,
      sha256,
      detected,
      problem && JSON.stringify(problem),
      now(),
      organizationId,
      attachmentId,
    ],
  );
  return updated.length > 0;
}

/** Marks an attachment whose content is not kept, with the reason. */
export async function refuseContent(
  em: EntityManager,
  organizationId: string,
  attachmentId: string,
  state: 'TOO_LARGE' | 'FAILED',
  problem: Problem,
  now: Date,
): Promise<void> {
  await em.execute(
    `update attachment set state = ?, problem = ?::jsonb, updated_at = ?
     where organization_id = ? and id = ? and state = 'PENDING'`,
    [state, JSON.stringify(problem), now, organizationId, attachmentId],
  );
}

/** What to know of a file that only Outlook opens. */
function winmail(now: Date): Problem {
  return {
    code: 'OUTLOOK_CONTAINER',
    message:
      'The sender’s Outlook or Exchange wrapped the mail’s files into this one, in a format (TNEF, winmail.dat) that only Outlook opens.',
    remedy:
      'Ask the sender to send the files again as HTML or plain text mail; their Exchange administrator can turn the format off for good (Set-RemoteDomain -TNEFEnabled $false).',
    since: now.toISOString(),
  };
}

async function* limited(content: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0;
  for await (const bytes of content) {
    sizeBytes += bytes.length;
    if (sizeBytes > maxBytes) throw new ContentTooLargeError(maxBytes);
    yield bytes;
  }
}

/** Reads the beginning; `all` gives the whole content all the same. */
async function readHead(content: AsyncGenerator<Uint8Array>) {
  const read: Uint8Array[] = [];
  let length = 0;
  let isWhole = false;
  while (length <= WHOLE_BYTES && !isWhole) {
    const next = await content.next();
    if (next.done) isWhole = true;
    else {
      read.push(next.value);
      length += next.value.length;
    }
  }
  const start = Buffer.concat(read);
  return {
    head: isWhole ? start : start.subarray(0, SNIFFED_BYTES),
    isWhole,
    all: (async function* () {
      try {
        if (start.length > 0) yield start;
        yield* content;
      } finally {
        await content.return(undefined); // where the reader gives up within the first piece, too
      }
    })(),
  };
}
