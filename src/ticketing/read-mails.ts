import { setImmediate } from 'node:timers/promises';
import { toError } from '../errors.ts';
import type { IncomingMail } from '../microsoft365/mail.ts';
import { type MailSummary, type PreparedMail, prepareMail, summarizeMail } from './prepare-mail.ts';

/** A mail after everything that needs no database: prepared, or poison. */
export type ReadMail = { summary: MailSummary } & ({ prepared: PreparedMail } | { error: Error });

/** One poisonous mail must not stop the others of its page. */
export function readMail(mail: IncomingMail): ReadMail {
  const summary = summarizeMail(mail);
  try {
    return { summary, prepared: prepareMail(mail) };
  } catch (thrown) {
    return { summary, error: toError(thrown) };
  }
}

/**
 * Reads the mails of a page, before the transaction that stores them. A hostile mail costs two seconds of computing (see
 * bodies.ts), so a page of them takes minutes: inside of the transaction PostgreSQL would end it as idle, again at every
 * try, and the mailbox would stand still. Between two mails everybody else has their turn. Throws the signal's reason.
 */
export async function readMails(
  mails: readonly IncomingMail[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<IncomingMail, ReadMail>> {
  const read = new Map<IncomingMail, ReadMail>();
  for (const mail of mails) {
    read.set(mail, readMail(mail));
    await setImmediate();
    signal?.throwIfAborted();
  }
  return read;
}
