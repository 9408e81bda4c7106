import { v7 as uuidv7 } from 'uuid';
import type { MailboxAccess } from '../microsoft365/mail.ts';
import type { MailSending, UploadProgress } from '../microsoft365/mail-sending.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { ObjectMissingError, type ObjectStorages } from '../platform/object-storage.ts';
import type { SecretBox } from '../platform/secrets.ts';
import { Attachment } from '../ticketing/attachment.entity.ts';
import { openAttachment } from '../ticketing/attachments.ts';
import { missingFiles, type WantedFile, wantedFiles } from './delivery-files.ts';
import type { Reached } from './fault-points.ts';

/** What putting files on a draft works with. */
export interface FileDeps {
  em: EntityManager;
  sending: MailSending;
  storages: ObjectStorages;
  secretBox: SecretBox;
  clock: Clock;
  reached: Reached;
  access: MailboxAccess;
  signal: AbortSignal;
}

/** Which draft of which mail. */
export interface Draft {
  organizationId: string;
  outboundMessageId: string;
  graphMessageId: string;
}

/** The files of a message, in their order, with the content ids that they get on the draft. */
export async function storedFilesOf(em: EntityManager, messageId: string): Promise<WantedFile[]> {
  const attachments = await em.find(
    Attachment,
    { message: messageId, state: 'STORED' },
    { orderBy: { position: 'asc' } },
  );
  return wantedFiles(
    attachments.map(({ id, name, contentType, sizeBytes, contentId, isInline }) => ({
      attachmentId: id,
      name,
      contentType,
      sizeBytes,
      contentId: contentId ?? null,
      isInline,
    })),
  );
}

/**
 * Puts what is still missing on a draft, one file after the other, each read as it is sent. False when the draft has one of
 * them twice and is worth nothing any more. `isRepeated`: an earlier attempt may have asked for a file and lost the answer;
 * where that comes through only now, the file is there twice in the end.
 */
export async function putFiles(
  deps: FileDeps,
  draft: Draft,
  files: readonly WantedFile[],
  { isRepeated }: { isRepeated: boolean },
): Promise<boolean> {
  const { sending, access, signal, reached } = deps;
  const listed = await sending.listDraftFiles(access, draft.graphMessageId, signal);
  const missing = missingFiles(files, listed);
  if (missing === null) return false;
  for (const file of missing) {
    signal.throwIfAborted();
    const { attachmentId, name, contentType, sizeBytes, contentId, isInline } = file;
    await sending.addFile(
      access,
      draft.graphMessageId,
      {
        name,
        contentType,
        sizeBytes,
        contentId,
        isInline,
        read: (fromByte) => readFrom(deps, attachmentId, sizeBytes, fromByte),
      },
      {
        signal,
        resume: await findUpload(deps, draft, attachmentId),
        onSession: async (progress) => {
          await keepUpload(deps, draft, attachmentId, progress);
          await reached('file.session-kept');
        },
        onRange: async () => reached('file.range-sent'),
      },
    );
    await reached('file.added');
  }
  if (isRepeated && missing.length > 0) {
    const now = await sending.listDraftFiles(access, draft.graphMessageId, signal);
    if (missingFiles(files, now) === null) return false;
  }
  await forgetUploads(deps.em, draft);
  return true;
}

async function* readFrom(
  { em, storages, signal }: FileDeps,
  attachmentId: string,
  sizeBytes: number,
  fromByte: number,
): AsyncGenerator<Uint8Array> {
  if (fromByte >= sizeBytes) return;
  const range = { start: fromByte, end: sizeBytes - 1 };
  const opened = await openAttachment(em, storages, attachmentId, { range, signal });
  if (opened === null) throw new ObjectMissingError();
  yield* opened.chunks;
}

/** Who has the URL of an upload may upload, so it is sealed; see `sealed-columns.ts`. */
function contextOf(id: string): string {
  return `outbound-file-upload:${id}`;
}

async function findUpload(
  { em, secretBox, clock }: FileDeps,
  { organizationId, outboundMessageId, graphMessageId }: Draft,
  attachmentId: string,
): Promise<UploadProgress | null> {
  const [row] = await em.execute<{ id: string; sealed_upload_url: string; expires_at: string | Date }[]>(
    `select id, sealed_upload_url, expires_at from outbound_file_upload
      where organization_id = ? and outbound_message_id = ? and attachment_id = ? and graph_message_id = ?
        and expires_at > ?`,
    [organizationId, outboundMessageId, attachmentId, graphMessageId, clock.now()],
  );
  if (row === undefined) return null;
  return {
    uploadUrl: secretBox.open(row.sealed_upload_url, contextOf(row.id)),
    expiresAt: new Date(row.expires_at),
  };
}

async function keepUpload(
  { em, secretBox, clock }: FileDeps,
  { organizationId, outboundMessageId, graphMessageId }: Draft,
  attachmentId: string,
  { uploadUrl, expiresAt }: UploadProgress,
): Promise<void> {
  const id = uuidv7();
  const now = clock.now();
  await em.execute(
    `insert into outbound_file_upload as kept (id, organization_id, outbound_message_id, attachment_id,
       graph_message_id, sealed_upload_url, expires_at, created_at, updated_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?)
     on conflict (organization_id, outbound_message_id, attachment_id) do update
       set id = excluded.id, graph_message_id = excluded.graph_message_id,
         sealed_upload_url = excluded.sealed_upload_url, expires_at = excluded.expires_at, updated_at = excluded.updated_at`,
    [
      id,
      organizationId,
      outboundMessageId,
      attachmentId,
      graphMessageId,
      secretBox.seal(uploadUrl, contextOf(id)),
      expiresAt,
      now,
      now,
    ],
  );
}

/** Forgets how far the uploads of a mail have come: it has its files, or needs none any more. */
export async function forgetUploads(
  em: EntityManager,
  { organizationId, outboundMessageId }: Pick<Draft, 'organizationId' | 'outboundMessageId'>,
): Promise<void> {
  await em.execute(`delete from outbound_file_upload where organization_id = ? and outbound_message_id = ?`, [
    organizationId,
    outboundMessageId,
  ]);
}
