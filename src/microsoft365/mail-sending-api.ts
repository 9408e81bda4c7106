import type { GraphClient, GraphScope } from './graph-client.ts';
import type { MailboxAccess, RequestCounter } from './mail.ts';
import { readAddresses } from './mail-addresses.ts';
import { findCopies, getCopy, type OutgoingFolders } from './mail-copies.ts';
import { listDraftFiles } from './mail-draft-files.ts';
import { completeDraft, createDraft, deleteDraft, sendDraft } from './mail-drafts.ts';
import type { MailSending } from './mail-sending.ts';
import { addFile } from './mail-upload.ts';
import type { UploadSessions } from './upload-session.ts';

export interface MailSendingDeps {
  client: GraphClient;
  folders: OutgoingFolders;
  uploads: UploadSessions;
}

/** Sending over Graph: its JSON stops here. */
export function createMailSending(deps: MailSendingDeps, counter: RequestCounter | null = null): MailSending {
  const { client, folders, uploads } = deps;
  const scopeOf = (mailbox: MailboxAccess, signal: AbortSignal): GraphScope => ({ mailbox, signal, counter });
  return {
    withCounter: (own) => createMailSending(deps, own),
    createDraft: (mailbox, mail, signal, onReply) =>
      createDraft(deps, scopeOf(mailbox, signal), mail, onReply),
    completeDraft: (mailbox, id, mail, { signal, ownContentIds }) =>
      completeDraft(deps, scopeOf(mailbox, signal), id, mail, ownContentIds),
    findByOutboundMessageId: (mailbox, id, signal) =>
      findCopies(client, folders, scopeOf(mailbox, signal), id),
    getCopy: (mailbox, id, signal) => getCopy(client, folders, scopeOf(mailbox, signal), id),
    listDraftFiles: (mailbox, id, signal) => listDraftFiles(client, scopeOf(mailbox, signal), id),
    addFile: (mailbox, graphMessageId, file, { signal, resume = null, onSession, onRange }) =>
      addFile(
        {
          client,
          uploads,
          scope: scopeOf(mailbox, signal),
          graphMessageId,
          resume,
          onSession: async (progress) => onSession?.(progress),
          onRange: async () => onRange?.(),
        },
        file,
      ),
    sendDraft: (mailbox, id, signal) => sendDraft(deps, scopeOf(mailbox, signal), id),
    deleteDraft: (mailbox, id, signal) => deleteDraft(deps, scopeOf(mailbox, signal), id),
    readAddresses: (mailbox, permissions, signal) =>
      readAddresses(client, scopeOf(mailbox, signal), permissions),
  };
}
