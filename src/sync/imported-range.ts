import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import type { ImportOption } from '../ticketing/imported-mail.ts';
import { startOfImport, treatmentOf } from './import-plan.ts';
import { MailImport } from './mail-import.entity.ts';

/** Imports that are looked at; nobody imports a folder more often. */
const MOST_IMPORTS = 20;

/** Mails that are taken in in the same way. */
export interface TreatedMails<One> {
  /** Null: as new mail. */
  imported: ImportOption | null;
  mails: One[];
}

/** The imports of the watched folder that have come to their end, the newest first. */
async function completedImports(em: EntityManager, { id, folder }: Mailbox): Promise<MailImport[]> {
  if (!folder) return [];
  return em.find(
    MailImport,
    { mailbox: id, folderId: folder.id, state: 'SUCCEEDED' },
    { orderBy: { createdAt: 'desc', id: 'desc' }, limit: MOST_IMPORTS },
  );
}

/**
 * From when on every mail of the watched folder has an outcome here: from when incoming mail was enabled, or from earlier
 * where imports reach up to that without a gap.
 */
export async function knownFrom(em: EntityManager, mailbox: Mailbox, receiveFrom: Date): Promise<Date> {
  return earliestKnown(receiveFrom, await completedImports(em, mailbox));
}

/** As {@link knownFrom}, of imports that have come to their end. */
export function earliestKnown(
  receiveFrom: Date,
  imports: readonly Pick<MailImport, 'since' | 'until'>[],
): Date {
  let from = receiveFrom;
  for (const one of imports.toSorted((a, b) => b.until.getTime() - a.until.getTime())) {
    const since = startOfImport(one);
    if (one.until >= from && since < from) from = since;
  }
  return from;
}

/** Sorts mails by how they are taken in: history that an import missed becomes history, and nobody hears of it. */
export async function treatMails<One extends { receivedAt: Date | null }>(
  em: EntityManager,
  mailbox: Mailbox,
  mails: readonly One[],
): Promise<TreatedMails<One>[]> {
  const { receiveFrom } = mailbox;
  const isOld = ({ receivedAt }: One) =>
    receivedAt !== null && receiveFrom != null && receivedAt < receiveFrom;
  const imports = mails.some(isOld) ? await completedImports(em, mailbox) : [];
  const groups = new Map<string, TreatedMails<One>>();
  for (const mail of mails) {
    const order = isOld(mail)
      ? imports.find(
          (one) => mail.receivedAt && mail.receivedAt >= startOfImport(one) && mail.receivedAt < one.until,
        )
      : undefined;
    const imported = order ? { importedAs: treatmentOf(order, mail.receivedAt) } : null;
    const key = JSON.stringify(imported);
    const group = groups.get(key) ?? { imported, mails: [] };
    group.mails.push(mail);
    groups.set(key, group);
  }
  return [...groups.values()];
}
