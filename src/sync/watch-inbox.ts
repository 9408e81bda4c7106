import { enqueue } from '../jobs/define-job.ts';
import { UNKNOWN_INBOX } from '../mailboxes/another-mailbox.ts';
import { wholeSecond } from '../mailboxes/incoming-settings.ts';
import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf, lockAnyMailbox } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { MailApi } from '../microsoft365/mail.ts';
import type { Clock } from '../platform/clock.ts';
import { type Database, forkFor } from '../platform/database.ts';
import { managePushJob } from './push.jobs.ts';

/**
 * Lets a mailbox that takes mail in without knowing its Inbox, since its address belongs to another mailbox by now, watch
 * that from now on: mail that lies there already is left alone, as with enabling. Gives the mailbox as it is then.
 * Throws `NotFoundError`, and `GraphError` when Microsoft cannot be asked.
 */
export async function watchInbox(
  { database, mail, clock }: { database: Database; mail: MailApi; clock: Clock },
  mailbox: Mailbox,
  signal: AbortSignal,
): Promise<Mailbox> {
  const inbox = await mail.getFolder(accessOf(mailbox), UNKNOWN_INBOX.id, signal);
  if (!inbox) throw new GraphError('FOLDER_NOT_FOUND', 'The mailbox has no Inbox.');
  const [organizationId, mailboxId] = [mailbox.organization.id, mailbox.id];
  return await forkFor(database, organizationId, signal).transactional(async (em) => {
    const current = await lockAnyMailbox(em, mailboxId);
    // Changed meanwhile: another folder was chosen, nobody wants one, or the answer was about somebody else's.
    const isSame = current.account?.id === mailbox.account?.id;
    if (current.folder?.id !== UNKNOWN_INBOX.id || !current.incomingEnabled || !isSame) return current;
    const folder = { id: inbox.id, displayName: inbox.displayName };
    em.assign(current, { folder, receiveFrom: wholeSecond(clock.now()) });
    await em.flush();
    await enqueue(em, managePushJob, { organizationId, mailboxId });
    return current;
  });
}
