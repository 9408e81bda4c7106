import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { MailApi } from '../microsoft365/mail.ts';
import type { InboundMessage } from '../ticketing/inbound-message.entity.ts';

/** Where a processed mail lies: still in the watched folder, in another one (by its id), or nowhere. */
export type MailPlace = 'WATCHED' | { folderId: string } | 'GONE';

/**
 * Where these mails lie, by Graph id. Most still lie in the watched folder, and one listing of what came between the first
 * and the last of them says so at once; asking for each would cost as much as moving it. Only what that does not show is
 * asked for by itself. Throws `GraphError`.
 */
export async function placesOfMails(
  mail: MailApi,
  mailbox: Mailbox,
  rows: readonly InboundMessage[],
  signal: AbortSignal,
): Promise<Map<string, MailPlace>> {
  const access = accessOf(mailbox);
  const watchedId = mailbox.folder?.id;
  const listed = watchedId === undefined ? new Set<string>() : await listedIn(watchedId);
  const places = new Map<string, MailPlace>();
  const unknown: string[] = [];
  for (const { graphMessageId } of rows) {
    if (listed.has(graphMessageId)) places.set(graphMessageId, 'WATCHED');
    else unknown.push(graphMessageId);
  }
  if (unknown.length === 0) return places;
  const folders = await mail.foldersOfMails(access, unknown, signal);
  for (const id of unknown) {
    const folderId = folders.get(id);
    places.set(id, folderId === undefined ? 'GONE' : folderId === watchedId ? 'WATCHED' : { folderId });
  }
  return places;

  /** One page, ids only: a damaged mail among them does not matter. */
  async function listedIn(folderId: string): Promise<Set<string>> {
    const times = rows.flatMap(({ receivedAt }) => receivedAt?.getTime() ?? []);
    if (times.length < 2) return new Set();
    const request = {
      folderId,
      receivedFrom: new Date(Math.min(...times)),
      // Microsoft keeps milliseconds where it shows seconds.
      receivedUntil: new Date(Math.max(...times) + 1_000),
      idsOnly: true,
    };
    try {
      const { mails } = await mail.listMail(access, request, signal);
      return new Set(mails.map(({ graphMessageId }) => graphMessageId));
    } catch (error) {
      // The watched folder is gone: where its mail went is asked for each.
      if (error instanceof GraphError && error.code === 'FOLDER_NOT_FOUND') return new Set();
      throw error;
    }
  }
}
