import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import type { GraphError } from '../microsoft365/graph-error.ts';
import type { MailApi } from '../microsoft365/mail.ts';
import type { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import { placesOfMails } from './mail-places.ts';

/** What became of a mail that was to be archived. `ELSEWHERE`: a person has filed it, and it was left there. */
export type MoveOutcome = 'MOVED' | 'GONE' | 'ELSEWHERE' | GraphError;

/**
 * Moves processed mail to the archive folder, by Graph id what became of each. Only what still lies in the watched folder is
 * moved: what a person has filed elsewhere before its turn is theirs. Throws `GraphError`.
 */
export async function moveMail(
  mail: MailApi,
  mailbox: Mailbox,
  rows: readonly InboundMessage[],
  archiveFolderId: string,
  signal: AbortSignal,
): Promise<Map<string, MoveOutcome>> {
  const outcomes = new Map<string, MoveOutcome>();
  const ready: string[] = [];
  for (const [id, place] of await placesOfMails(mail, mailbox, rows, signal)) {
    if (place === 'WATCHED') ready.push(id);
    else if (place === 'GONE') outcomes.set(id, 'GONE');
    // There already: an earlier move whose answer was lost.
    else outcomes.set(id, place.folderId === archiveFolderId ? 'MOVED' : 'ELSEWHERE');
  }
  if (ready.length === 0) return outcomes;
  const moved = await mail.moveMails(accessOf(mailbox), ready, archiveFolderId, signal);
  for (const [id, outcome] of moved) outcomes.set(id, outcome);
  return outcomes;
}
