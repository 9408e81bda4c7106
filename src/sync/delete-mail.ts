import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import type { GraphError } from '../microsoft365/graph-error.ts';
import type { MailApi } from '../microsoft365/mail.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { attachmentQueues, storeAttachmentsJob } from '../ticketing/attachments.jobs.ts';
import type { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import { placesOfMails } from './mail-places.ts';

/** What became of a mail that was to be deleted. `HELD`: its files are still being fetched. */
export type DeletionOutcome = 'DELETED' | 'GONE' | 'HELD' | 'INCOMPLETE' | GraphError;

/**
 * Deletes processed mail, by Graph id what became of each. Nothing is deleted that is not stored here as a whole: a mail
 * waits for its files, and one with a file that was left at Microsoft stays (`INCOMPLETE`).
 *
 * Looks first where each mail lies, and deletes what is still in the watched folder: what a person has filed elsewhere is
 * theirs, and after an answer that was lost deleting twice would take a mail from Deleted Items to Recoverable Items, and a
 * third time for good. Throws `GraphError`.
 */
export async function deleteMail(
  em: EntityManager,
  { mail, clock, signal }: { mail: MailApi; clock: Clock; signal: AbortSignal },
  mailbox: Mailbox,
  rows: readonly InboundMessage[],
): Promise<Map<string, DeletionOutcome>> {
  const outcomes = new Map<string, DeletionOutcome>();
  const { held, incomplete } = await readFiles(em, mailbox, rows);
  const ready: InboundMessage[] = [];
  for (const row of rows) {
    if (held.has(row.id)) outcomes.set(row.graphMessageId, 'HELD');
    else if (incomplete.has(row.id)) outcomes.set(row.graphMessageId, 'INCOMPLETE');
    else ready.push(row);
  }
  if (ready.length > 0) {
    for (const [id, place] of await placesOfMails(mail, mailbox, ready, signal)) {
      if (place !== 'WATCHED') outcomes.set(id, place === 'GONE' ? 'GONE' : 'DELETED');
    }
  }
  const open = ready.filter(({ graphMessageId }) => !outcomes.has(graphMessageId));
  if (open.length === 0) return outcomes;
  for (const row of open) row.deletionTriedAt = clock.now();
  await em.flush();
  const ids = open.map(({ graphMessageId }) => graphMessageId);
  const deleted = await mail.deleteMails(accessOf(mailbox), ids, signal);
  for (const [id, outcome] of deleted) outcomes.set(id, outcome);
  return outcomes;
}

/** Which of the messages wait for their files, and which will not get all of them. */
async function readFiles(
  em: EntityManager,
  mailbox: Mailbox,
  rows: readonly InboundMessage[],
): Promise<{ held: Set<string>; incomplete: Set<string> }> {
  const organizationId = mailbox.organization.id;
  const found = await em.execute<{ id: string; waits: boolean; lacks: boolean }[]>(
    `with fetching as (
       select jsonb_array_elements_text(job.payload::jsonb -> 'inboundMessageIds') as id,
         bool_or(job.attempts < job.max_attempts or job.locked_at is not null) as goes_on
       from graphile_worker._private_jobs as job
       join graphile_worker._private_tasks as task on task.id = job.task_id
       join graphile_worker._private_job_queues as queue on queue.id = job.job_queue_id
       where task.identifier = ? and queue.queue_name in (?) group by 1
     )
     select seen.id, coalesce(fetching.goes_on, false) or 'PENDING' = any(files.states) as waits,
       coalesce(not fetching.goes_on, false) or not files.states <@ array['STORED', 'LINK', 'PENDING'] as lacks
     from inbound_message as seen
     left join fetching on fetching.id = seen.id::text
     cross join lateral (
       select coalesce(array_agg(state), '{}') as states from attachment
       where attachment.organization_id = seen.organization_id and attachment.message_id = seen.message_id
     ) as files
     where seen.organization_id = ? and seen.id in (?)`,
    [
      storeAttachmentsJob.name,
      Object.values(attachmentQueues(mailbox.id)),
      organizationId,
      rows.map(({ id }) => id),
    ],
  );
  return {
    held: new Set(found.flatMap(({ id, waits, lacks }) => (waits && !lacks ? id : []))),
    incomplete: new Set(found.flatMap(({ id, lacks }) => (lacks ? id : []))),
  };
}
