import { v7 as uuidv7 } from 'uuid';
import { enqueue } from '../jobs/define-job.ts';
import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { syncMailboxJob } from './sync.jobs.ts';
import { IncomingDisabledError } from './sync-errors.ts';
import { SyncRun, type SyncTrigger } from './sync-run.entity.ts';

/**
 * Asks for a sync of the mailbox and gives back the run that will do it. When one waits already, that one is given back:
 * any number of hints are one run. When one is under way, the new one runs after it, since it may have passed what the
 * caller means. Throws {@link IncomingDisabledError}.
 */
export async function requestSync(
  em: EntityManager,
  mailbox: Mailbox,
  trigger: SyncTrigger,
): Promise<SyncRun> {
  if (!mailbox.incomingEnabled) throw new IncomingDisabledError();
  const organizationId = mailbox.organization.id;
  return em.transactional(async (tx) => {
    const id = uuidv7();
    // The unique index on waiting runs decides between two that ask at once; `do update` also locks the waiting row, so
    // that no worker takes it between here and our commit. A person's wish outranks everybody's, the clock's nobody's.
    const [row] = await tx.execute<{ id: string }[]>(
      `insert into sync_run (id, organization_id, mailbox_id, trigger, state, created_at, updated_at)
         values (?, ?, ?, ?, 'QUEUED', now(), now())
       on conflict (mailbox_id) where state = 'QUEUED' do update
         set trigger = case when excluded.trigger = 'MANUAL' or sync_run.trigger = 'POLL' then excluded.trigger
           else sync_run.trigger end
       returning id`,
      [id, organizationId, mailbox.id, trigger],
    );
    await enqueue(tx, syncMailboxJob, { organizationId, mailboxId: mailbox.id });
    if (row?.id === id) {
      await recordEvents(tx, organizationId, [{ type: 'sync-status.changed', mailboxId: mailbox.id }]);
    }
    return tx.findOneOrFail(SyncRun, { id: row?.id ?? id }, { refresh: true });
  });
}
