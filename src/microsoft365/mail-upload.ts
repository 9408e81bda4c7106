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
import type { OutgoingFile, UploadProgress } from './mail-sending.ts';
import type { UploadSessions } from './upload-session.ts';

/** A request of 4 MB holds this much in base64. */
const LARGEST_SMALL_FILE_BYTES = 3_000_000;
/** Microsoft's 3 MB may be 3 MiB: a file between both that gets no session goes in one request after all. */
const LARGEST_ODD_FILE_BYTES = 3 * 1_024 * 1_024 - 2_048;
const LARGEST_FILE_BYTES = 150_000_000;
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
    if (mayGoOn && (await uploads.send(resume.uploadUrl, file, next, scope)) === 'DONE') return;
  }
  for (let sessions = 0; sessions < MOST_SESSIONS; sessions += 1) {
    const progress = await openSession(context, file);
    if (progress === null) return addSmallFile(context, file);
    await context.onSession(progress);
    if ((await uploads.send(progress.uploadUrl, file, 0, scope)) === 'DONE') return;
  }
  throw new GraphError('GRAPH_UNAVAILABLE', 'Microsoft 365 ended the upload of a file again and again.');
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
    const isTooSmall = error instanceof GraphError && error.microsoftCode?.toLowerCase() === TOO_SMALL;
    if (isTooSmall && sizeBytes <= LARGEST_ODD_FILE_BYTES) return null;
    throw error;
  }
  const { uploadUrl, expirationDateTime } = parse(sessionSchema, json);
  if (!uploads.isAllowed(uploadUrl)) {
    throw new GraphError('FOREIGN_LINK', 'A link for uploads leads elsewhere and was not followed.');
  }
  return { uploadUrl, expiresAt: new Date(expirationDateTime) };
}
