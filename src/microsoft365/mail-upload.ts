/*
 * Files onto drafts. Ranges of an upload session go to Outlook itself and not through Graph: they hold none of the
 * mailbox's four slots of Graph, and a pause that they are told is no pause of the mailbox. What limits them is that one
 * mail's files go up one after another.
 */
import { z } from 'zod';
import { MINUTE } from '../platform/clock.ts';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import { messagePath, parse } from './mail-copies.ts';
import { listDraftFiles } from './mail-draft-files.ts';
import type { OutgoingFile, UploadProgress } from './mail-sending.ts';
import type { UploadSessions } from './upload-session.ts';

/** A request of 4 MB holds this much in base64. */
const LARGEST_SMALL_FILE_BYTES = 3_000_000;
/**
 * The most that an upload session takes. Microsoft says 150 MB and not which: what is above the smaller reading might be
 * refused after all of it was uploaded. https://learn.microsoft.com/graph/outlook-large-attachments
 */
export const LARGEST_FILE_BYTES = 150_000_000;
const SMALL_FILE_MILLISECONDS = 2 * MINUTE;
/** Sessions last for hours; one that ends again and again is no way to send a file. */
const MOST_SESSIONS = 3;
const TOO_SMALL = 'errorattachmentsizeshouldnotbelessthanminimumsize';

const sessionSchema = z.object({ uploadUrl: z.string().min(1), expirationDateTime: z.string() });

export interface UploadContext {
  client: GraphClient;
  uploads: UploadSessions;
  scope: GraphScope;
  graphMessageId: string;
  resume: UploadProgress | null;
  onSession(progress: UploadProgress): Promise<void>;
  /** Called after each range but the last. */
  onRange(): Promise<void>;
}

/** See `MailSending.addFile`. */
export async function addFile(context: UploadContext, file: OutgoingFile): Promise<void> {
  if (file.sizeBytes > LARGEST_FILE_BYTES) {
    throw new GraphError(
      'MESSAGE_TOO_LARGE',
      `${file.name} is larger than the 150 MB that Microsoft 365 takes.`,
    );
  }
  if (file.sizeBytes <= LARGEST_SMALL_FILE_BYTES) return addSmallFile(context, file);
  const { uploads, scope, resume } = context;
  if (resume !== null) {
    const next = await uploads.whereToGoOn(resume.uploadUrl, scope);
    const mayGoOn = next !== null && next < file.sizeBytes;
    if (mayGoOn && (await sendAll(context, file, resume.uploadUrl, next))) return;
  }
  for (let sessions = 0; sessions < MOST_SESSIONS; sessions += 1) {
    const progress = await openSession(context, file);
    if (progress === null) return addSmallFile(context, file);
    await context.onSession(progress);
    if (await sendAll(context, file, progress.uploadUrl, 0)) return;
  }
  throw new GraphError('GRAPH_UNAVAILABLE', 'Microsoft 365 ended the upload of a file again and again.');
}

/**
 * Whether the file is on the draft now. A session ends when the last range was taken as well: where that answer was lost,
 * only the draft tells.
 */
async function sendAll(
  { client, uploads, scope, graphMessageId, onRange }: UploadContext,
  file: OutgoingFile,
  uploadUrl: string,
  fromByte: number,
): Promise<boolean> {
  if ((await uploads.send(uploadUrl, { ...file, onRange }, fromByte, scope)) === 'DONE') return true;
  const files = await listDraftFiles(client, scope, graphMessageId);
  return files.some(({ contentId }) => contentId === file.contentId);
}

/** https://learn.microsoft.com/graph/api/message-post-attachments */
async function addSmallFile(
  { client, scope, graphMessageId }: UploadContext,
  { name, contentType, contentId, isInline, sizeBytes, read }: OutgoingFile,
): Promise<void> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of read(0)) {
    bytes += chunk.length;
    // Another file than the one that was announced must not fill the memory.
    if (bytes > sizeBytes) break;
    chunks.push(chunk);
  }
  if (bytes !== sizeBytes) throw new Error('A file to be sent is not of the size that was told.');
  await client.json(
    {
      operation: 'attachment.add',
      method: 'POST',
      target: `${messagePath(scope, graphMessageId)}/attachments`,
      subject: 'ITEM',
      body: {
        '@odata.type': '#microsoft.graph.fileAttachment',
        name,
        contentType,
        contentId,
        isInline,
        contentBytes: Buffer.concat(chunks).toString('base64'),
      },
      attemptMilliseconds: SMALL_FILE_MILLISECONDS,
    },
    scope,
  );
}

/** Null when Microsoft finds the file too small for one. https://learn.microsoft.com/graph/api/attachment-createuploadsession */
async function openSession(
  { client, uploads, scope, graphMessageId }: UploadContext,
  { name, contentType, contentId, isInline, sizeBytes }: OutgoingFile,
): Promise<UploadProgress | null> {
  let json: unknown;
  try {
    json = await client.json(
      {
        operation: 'attachment.session',
        method: 'POST',
        target: `${messagePath(scope, graphMessageId)}/attachments/createUploadSession`,
        subject: 'ITEM',
        body: {
          AttachmentItem: {
            attachmentType: 'file',
            name,
            contentType,
            contentId,
            isInline,
            size: sizeBytes,
          },
        },
        // A session that nobody uses ends by itself.
        isRepeatable: true,
      },
      scope,
    );
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    // Microsoft's 3 MB may be 3 MiB: a file between both goes in one request after all.
    if (error.microsoftCode?.toLowerCase() === TOO_SMALL) return null;
    if (error.code !== 'MAILBOX_ACCESS_DENIED' || scope.mailbox.kind !== 'SHARED') throw error;
    const { status, microsoftCode, requestId } = error;
    throw new GraphError(
      'MAILBOX_ACCESS_DENIED',
      `Microsoft 365 did not take ${name} for the shared mailbox: files above 3 MB are refused there for some people who sign in, which is a known issue of Microsoft Graph. Send smaller files, or use application mode.`,
      { status, microsoftCode, requestId, cause: error },
    );
  }
  const { uploadUrl, expirationDateTime } = parse(sessionSchema, json);
  if (!uploads.isAllowed(uploadUrl)) {
    throw new GraphError('FOREIGN_LINK', 'A link for uploads leads elsewhere and was not followed.');
  }
  return { uploadUrl, expiresAt: new Date(expirationDateTime) };
}
