import { toError } from '../errors.ts';
import type { IncomingMail } from '../microsoft365/mail.ts';
import { type MailSummary, type PreparedMail, prepareMail, summarizeMail } from './prepare-mail.ts';

/** A mail after everything that needs no database: prepared, or poison. Holds data only: it may come from another thread. */
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
