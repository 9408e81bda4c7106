/* Drafts: made, made right, sent, deleted. */
import { z } from 'zod';
import { MINUTE } from '../platform/clock.ts';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import { DEFAULT_BUDGET } from './graph-retry.ts';
import {
  COPY_PROPERTIES,
  getCopy,
  messagePath,
  type OutgoingFolders,
  parse,
  readCopy,
  readOrNull,
} from './mail-copies.ts';
import { differences, draftContent, draftSchema, newDraft, propertiesLookedFor } from './mail-draft.ts';
import { listDraftFiles } from './mail-draft-files.ts';
import { mailboxPath } from './mail-folders.ts';
import type { DraftFile, OutgoingCopy, OutgoingMail } from './mail-sending.ts';

/** Megabytes go up, or Exchange copies a mail with all of its files: that takes longer than reading does. */
const WRITING_MILLISECONDS = 1 * MINUTE;
const SENDING_MILLISECONDS = 2 * MINUTE;
const DRAFT_PROPERTIES = `${COPY_PROPERTIES},subject,body,replyTo,toRecipients,ccRecipients,bccRecipients,internetMessageHeaders`;

const idSchema = z.object({ id: z.string().min(1) });

/** What the functions here need besides the scope of a call. */
export interface DraftDeps {
  client: GraphClient;
  folders: OutgoingFolders;
}

/** See `MailSending.createDraft`. https://learn.microsoft.com/graph/api/message-createreply */
export async function createDraft(
  deps: DraftDeps,
  scope: GraphScope,
  mail: OutgoingMail,
  onReply?: () => Promise<void>,
): Promise<OutgoingCopy> {
  // Throws before anything is asked.
  draftContent(mail);
  // Asked beforehand: a failure of it afterwards would look as if there were no draft.
  await deps.folders.of(deps.client, scope);
  const reply =
    mail.answersGraphMessageId === null
      ? null
      : await createReply(deps, scope, mail, mail.answersGraphMessageId);
  if (reply !== null) {
    const { id } = parse(idSchema, reply);
    await onReply?.();
    // What Exchange made of it is looked at in a request of its own: the answer shows no extended properties.
    const copy = await onceMade(completeDraft(deps, scope, id, mail, []));
    if (copy === null) throw gone();
    return copy;
  }
  const json = await deps.client.json(
    {
      operation: 'draft.create',
      method: 'POST',
      target: `${mailboxPath(scope.mailbox)}/messages`,
      subject: 'MAILBOX',
      body: newDraft(mail, false),
      attemptMilliseconds: WRITING_MILLISECONDS,
    },
    scope,
  );
  return await onceMade(readCopy(deps.client, deps.folders, scope, json));
}

/** See `MailSending.completeDraft`. https://learn.microsoft.com/graph/api/message-update */
export async function completeDraft(
  deps: DraftDeps,
  scope: GraphScope,
  graphMessageId: string,
  mail: OutgoingMail,
  ownContentIds: readonly string[],
): Promise<OutgoingCopy | null> {
  const { client, folders } = deps;
  const path = messagePath(scope, graphMessageId);
  const ids = propertiesLookedFor(mail).map((id) => `id eq '${id}'`);
  const properties = encodeURIComponent(ids.join(' or '));
  const json = await readOrNull(
    client,
    scope,
    `${path}?$select=${DRAFT_PROPERTIES}&$expand=singleValueExtendedProperties($filter=${properties})`,
  );
  if (json === null) return null;
  const copy = await readCopy(client, folders, scope, json);
  if (!copy.isDraft) return copy;
  const body = differences(mail, parse(draftSchema, json));
  if (body !== null) {
    await client.json(
      {
        operation: 'draft.update',
        method: 'PATCH',
        target: path,
        subject: 'ITEM',
        body,
        // Saying the same twice changes nothing.
        isRepeatable: true,
        attemptMilliseconds: WRITING_MILLISECONDS,
      },
      scope,
    );
  }
  if (mail.answersGraphMessageId !== null) {
    // A reply that Exchange makes comes with the pictures of the mail that it quotes.
    const strange = (await listDraftFiles(client, scope, graphMessageId)).filter(
      ({ contentId }) => contentId === null || !ownContentIds.includes(contentId),
    );
    for (const file of strange) await deleteFile(client, scope, graphMessageId, file);
  }
  return copy;
}

/** See `MailSending.sendDraft`. https://learn.microsoft.com/graph/api/message-send */
export async function sendDraft(
  { client }: DraftDeps,
  scope: GraphScope,
  graphMessageId: string,
): Promise<void> {
  await client.json(
    {
      operation: 'draft.send',
      method: 'POST',
      target: `${messagePath(scope, graphMessageId)}/send`,
      subject: 'ITEM',
      budget: { ...DEFAULT_BUDGET, attempts: 1 },
      attemptMilliseconds: SENDING_MILLISECONDS,
    },
    scope,
  );
}

/** See `MailSending.deleteDraft`. https://learn.microsoft.com/graph/api/message-delete */
export async function deleteDraft(
  { client, folders }: DraftDeps,
  scope: GraphScope,
  graphMessageId: string,
): Promise<void> {
  const copy = await getCopy(client, folders, scope, graphMessageId);
  if (copy === null) return;
  if (!copy.isDraft || copy.folder === 'OUTBOX') {
    throw new GraphError('REQUEST_REFUSED', 'The mail is no draft any more: it is not deleted.');
  }
  await remove(client, scope, messagePath(scope, graphMessageId), 'draft.delete');
}

/** The reply as Exchange answers it; null when there is nothing (any more) that could be answered. */
async function createReply(
  { client }: DraftDeps,
  scope: GraphScope,
  mail: OutgoingMail,
  answeredId: string,
): Promise<unknown> {
  try {
    return await client.json(
      {
        operation: 'draft.reply',
        method: 'POST',
        target: `${messagePath(scope, answeredId)}/createReply`,
        subject: 'ITEM',
        body: { message: newDraft(mail, true) },
        attemptMilliseconds: WRITING_MILLISECONDS,
      },
      scope,
    );
  } catch (error) {
    if (error instanceof GraphError && cannotBeAnswered(error)) return null;
    throw error;
  }
}

/** Of a kind that Exchange makes no replies to (a report, a draft), or of a mailbox that had the address before. */
const UNANSWERABLE: ReadonlySet<string> = new Set(['errorinvalidreferenceitem', 'errorinvalidmailboxitemid']);

/** Gone, or never to be answered. */
function cannotBeAnswered({ code, microsoftCode }: GraphError): boolean {
  return code === 'ITEM_NOT_FOUND' || UNANSWERABLE.has(microsoftCode?.toLowerCase() ?? '');
}

async function deleteFile(
  client: GraphClient,
  scope: GraphScope,
  graphMessageId: string,
  { graphAttachmentId }: DraftFile,
): Promise<void> {
  const path = `${messagePath(scope, graphMessageId)}/attachments/${encodeURIComponent(graphAttachmentId)}`;
  await remove(client, scope, path, 'attachment.delete');
}

async function remove(
  client: GraphClient,
  scope: GraphScope,
  target: string,
  operation: string,
): Promise<void> {
  try {
    await client.json({ operation, method: 'DELETE', target, subject: 'ITEM', isRepeatable: true }, scope);
  } catch (error) {
    if (!(error instanceof GraphError) || error.code !== 'ITEM_NOT_FOUND') throw error;
  }
}

/** What fails after the draft was made must not look as if it were not: whoever makes it again has two. */
async function onceMade<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof GraphError) || error.isUnclear) throw error;
    const { code, message, status, microsoftCode, requestId, retryAfterMilliseconds } = error;
    const details = { status, microsoftCode, requestId, retryAfterMilliseconds };
    throw new GraphError(code, message, { ...details, isPartlyDone: true, cause: error });
  }
}

function gone(): GraphError {
  // Somebody deletes drafts faster than we look at them; whoever looks for it later finds nothing and makes another.
  return new GraphError('UNEXPECTED_ANSWER', 'The draft was gone as soon as it was made.');
}
