import type { Clock } from '../platform/clock.ts';
import { runBatch } from './graph-batch.ts';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import type { IncomingMail, MailApi, MailboxAccess, RequestCounter } from './mail.ts';
import {
  listAttachments,
  listAttachmentsOfMany,
  readSmallFiles,
  streamAttachment,
} from './mail-attachments.ts';
import { fetchMails, mailPath, oddMail, readDelta } from './mail-delta.ts';
import { copyMails, deleteMails, findCopies, foldersOfMails } from './mail-filing.ts';
import { createFolder, folderExists, getFolder, listFolders, mailboxPath } from './mail-folders.ts';
import { countMail, readHistory } from './mail-history.ts';
import { listMail } from './mail-listing.ts';
import { withParticulars } from './mail-particulars.ts';
import { readMail } from './mail-reading.ts';
import { withReports } from './mail-reports.ts';

export interface MailApiDeps {
  client: GraphClient;
  clock: Clock;
  /** In [0, 1), for the waits between attempts. */
  random(): number;
}

/** The mail API over Graph: its JSON stops here. */
export function createMailApi(deps: MailApiDeps, counter: RequestCounter | null = null): MailApi {
  const { client } = deps;
  const scopeOf = (mailbox: MailboxAccess, signal: AbortSignal): GraphScope => ({ mailbox, signal, counter });
  /** However a mail comes here: reports on delivery are read whole, and what pages do not tell is asked for. */
  const completed = async (mails: readonly IncomingMail[], scope: GraphScope) =>
    withReports(client, scope, await withParticulars(deps, scope, mails));
  const complete = async <Page extends { mails: IncomingMail[] }>(page: Page, scope: GraphScope) => ({
    ...page,
    mails: await completed(page.mails, scope),
  });
  return {
    withCounter: (own) => createMailApi(deps, own),
    listFolders: (mailbox, signal) => listFolders(deps, scopeOf(mailbox, signal)),
    getFolder: (mailbox, id, signal) => getFolder(deps, scopeOf(mailbox, signal), id),
    createFolder: (mailbox, displayName, signal, parentFolderId) =>
      createFolder(deps, scopeOf(mailbox, signal), displayName, parentFolderId ?? null),
    readDelta: async (mailbox, request, signal) => {
      const scope = scopeOf(mailbox, signal);
      return complete(await readDelta(deps, scope, request), scope);
    },
    getMail: async (mailbox, id, signal) => {
      const scope = scopeOf(mailbox, signal);
      const mail = await getMail(client, scope, id);
      return mail === null ? null : ((await completed([mail], scope))[0] ?? mail);
    },
    getMails: async (mailbox, ids, signal) => {
      const scope = scopeOf(mailbox, signal);
      return complete(await fetchMails(deps, scope, ids), scope);
    },
    listMail: (mailbox, request, signal) => listMail(client, scopeOf(mailbox, signal), request),
    readHistory: async (mailbox, request, signal) => {
      const scope = scopeOf(mailbox, signal);
      return complete(await readHistory(deps, scope, request), scope);
    },
    countMail: (mailbox, range, signal) => countMail(deps, scopeOf(mailbox, signal), range),
    listAttachments: (mailbox, id, signal) => listAttachments(deps, scopeOf(mailbox, signal), id),
    listAttachmentsOfMany: (mailbox, ids, signal) =>
      listAttachmentsOfMany(deps, scopeOf(mailbox, signal), ids),
    readAttachment: (mailbox, graphMessageId, graphAttachmentId, signal) =>
      streamAttachment(deps, scopeOf(mailbox, signal), { graphMessageId, graphAttachmentId }),
    readSmallFiles: (mailbox, files, signal) => readSmallFiles(deps, scopeOf(mailbox, signal), files),
    moveMails: (mailbox, ids, folderId, signal) => moveMails(deps, scopeOf(mailbox, signal), ids, folderId),
    copyMails: (mailbox, ids, folderId, signal) => copyMails(deps, scopeOf(mailbox, signal), ids, folderId),
    findCopies: (mailbox, folderId, ids, signal) => findCopies(deps, scopeOf(mailbox, signal), folderId, ids),
    deleteMails: (mailbox, ids, signal) => deleteMails(deps, scopeOf(mailbox, signal), ids),
    foldersOfMails: (mailbox, ids, signal) => foldersOfMails(deps, scopeOf(mailbox, signal), ids),
  };
}

async function getMail(client: GraphClient, scope: GraphScope, id: string): Promise<IncomingMail | null> {
  let json: unknown;
  try {
    const target = mailPath(scope, id);
    json = await client.json({ operation: 'message.get', method: 'GET', target, subject: 'ITEM' }, scope);
  } catch (error) {
    if (error instanceof GraphError && error.code === 'ITEM_NOT_FOUND') return null;
    throw error;
  }
  try {
    return readMail(json);
  } catch (error) {
    throw oddMail(error);
  }
}

async function moveMails(
  deps: MailApiDeps,
  scope: GraphScope,
  ids: readonly string[],
  destinationId: string,
): Promise<Map<string, 'MOVED' | 'GONE' | GraphError>> {
  const unique = [...new Set(ids)];
  const outcomes = await runBatch(
    deps.client,
    { ...deps, isMove: true },
    'message.move',
    unique.map((id) => ({
      method: 'POST',
      path: `${mailboxPath(scope.mailbox)}/messages/${encodeURIComponent(id)}/move`,
      subject: 'ITEM',
      body: { destinationId },
    })),
    scope,
  );
  const results = new Map<string, 'MOVED' | 'GONE' | GraphError>();
  for (const [index, id] of unique.entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined) continue;
    if ('json' in outcome) results.set(id, 'MOVED');
    else results.set(id, outcome.error.code === 'ITEM_NOT_FOUND' ? 'GONE' : outcome.error);
  }
  const gone = [...results].filter(([, result]) => result === 'GONE');
  // Microsoft answers the same for a mail and for a destination that do not exist; only the first is fine.
  if (gone.length > 0 && !(await folderExists(deps, scope, destinationId))) {
    const error = new GraphError('FOLDER_NOT_FOUND', 'The folder to move mail to does not exist.');
    for (const [id] of gone) results.set(id, error);
  }
  return results;
}
