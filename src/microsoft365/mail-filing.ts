/* Copying and deleting mail. Neither is safe to repeat: what may have been done is told as an error, for the caller to look at. */
import { z } from 'zod';
import { type BatchOutcome, type BatchPart, runBatch } from './graph-batch.ts';
import type { GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import type { DeltaDeps } from './mail-delta.ts';
import { folderExists, mailboxPath } from './mail-folders.ts';

/** Copies of one mail that are told apart; a folder that holds more of them than this is somebody else's doing. */
const MOST_COPIES = 50;

const item = z.object({ id: z.string().min(1) });
const list = z.object({ value: z.array(item) });
const place = z.object({ parentFolderId: z.string().min(1) });

/** See `MailApi.copyMails`. https://learn.microsoft.com/graph/api/message-copy */
export async function copyMails(
  deps: DeltaDeps,
  scope: GraphScope,
  ids: readonly string[],
  destinationId: string,
): Promise<Map<string, { copyId: string } | 'GONE' | GraphError>> {
  const unique = [...new Set(ids)];
  const parts = unique.map(
    (id): BatchPart => ({
      method: 'POST',
      path: `${messagePath(scope, id)}/copy`,
      subject: 'ITEM',
      body: { destinationId },
    }),
  );
  const outcomes = await runOnce(deps, 'message.copy', parts, scope);
  const results = new Map<string, { copyId: string } | 'GONE' | GraphError>();
  for (const [index, id] of unique.entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined) continue;
    if ('json' in outcome) {
      const copy = item.safeParse(outcome.json);
      results.set(id, copy.success ? { copyId: copy.data.id } : odd('copied a mail', copy.error));
    } else results.set(id, goneOr(outcome.error));
  }
  const gone = [...results].filter(([, result]) => result === 'GONE');
  // As with moves: Microsoft answers the same for a mail and for a destination that do not exist.
  if (gone.length > 0 && !(await folderExists(deps, scope, destinationId))) {
    const error = new GraphError('FOLDER_NOT_FOUND', 'The folder to copy mail to does not exist.');
    for (const [id] of gone) results.set(id, error);
  }
  return results;
}

/** See `MailApi.findCopies`. */
export async function findCopies(
  deps: DeltaDeps,
  scope: GraphScope,
  folderId: string,
  internetMessageIds: readonly string[],
): Promise<Map<string, string[]>> {
  const unique = [...new Set(internetMessageIds)];
  const folder = `${mailboxPath(scope.mailbox)}/mailFolders/${encodeURIComponent(folderId)}`;
  const outcomes = await runBatch(
    deps.client,
    deps,
    'message.list',
    unique.map((id) => {
      const filter = encodeURIComponent(`internetMessageId eq '${id.replaceAll("'", "''")}'`);
      const path = `${folder}/messages?$select=id&$top=${MOST_COPIES}&$filter=${filter}`;
      return { method: 'GET' as const, path, subject: 'FOLDER' as const };
    }),
    scope,
  );
  const found = new Map<string, string[]>();
  for (const [index, id] of unique.entries()) {
    const outcome = outcomes[index];
    if (!outcome || 'error' in outcome) throw outcome?.error ?? odd('left out a search', null);
    const answer = list.safeParse(outcome.json);
    if (!answer.success) throw odd('listed a folder', answer.error);
    found.set(
      id,
      answer.data.value.map((copy) => copy.id),
    );
  }
  return found;
}

/** See `MailApi.deleteMails`. https://learn.microsoft.com/graph/api/message-delete */
export async function deleteMails(
  deps: DeltaDeps,
  scope: GraphScope,
  ids: readonly string[],
): Promise<Map<string, 'DELETED' | 'GONE' | GraphError>> {
  const unique = [...new Set(ids)];
  const parts = unique.map(
    (id): BatchPart => ({ method: 'DELETE', path: messagePath(scope, id), subject: 'ITEM' }),
  );
  const outcomes = await runOnce(deps, 'message.delete', parts, scope);
  const results = new Map<string, 'DELETED' | 'GONE' | GraphError>();
  for (const [index, id] of unique.entries()) {
    const outcome = outcomes[index];
    if (outcome !== undefined) results.set(id, 'json' in outcome ? 'DELETED' : goneOr(outcome.error));
  }
  return results;
}

/** See `MailApi.foldersOfMails`. */
export async function foldersOfMails(
  deps: DeltaDeps,
  scope: GraphScope,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const unique = [...new Set(ids)];
  const parts = unique.map(
    (id): BatchPart => ({
      method: 'GET',
      path: `${messagePath(scope, id)}?$select=id,parentFolderId`,
      subject: 'ITEM',
    }),
  );
  const outcomes = await runBatch(deps.client, deps, 'message.get', parts, scope);
  const folders = new Map<string, string>();
  for (const [index, id] of unique.entries()) {
    const outcome = outcomes[index];
    if (!outcome) throw odd('left out a mail', null);
    if ('error' in outcome) {
      if (outcome.error.code === 'ITEM_NOT_FOUND') continue;
      throw outcome.error;
    }
    const answer = place.safeParse(outcome.json);
    if (!answer.success) throw odd('gave out a mail', answer.error);
    folders.set(id, answer.data.parentFolderId);
  }
  return folders;
}

/** Of the moves' budget and pause, as all that changes where mail lies. */
function runOnce(
  deps: DeltaDeps,
  operation: string,
  parts: readonly BatchPart[],
  scope: GraphScope,
): Promise<BatchOutcome[]> {
  return runBatch(deps.client, { ...deps, isMove: true, isRepeatable: false }, operation, parts, scope);
}

function messagePath({ mailbox }: GraphScope, id: string): string {
  return `${mailboxPath(mailbox)}/messages/${encodeURIComponent(id)}`;
}

function goneOr(error: GraphError): 'GONE' | GraphError {
  return error.code === 'ITEM_NOT_FOUND' ? 'GONE' : error;
}

function odd(done: string, cause: unknown): GraphError {
  return new GraphError('UNEXPECTED_ANSWER', `Microsoft Graph ${done} in an unknown form.`, { cause });
}
