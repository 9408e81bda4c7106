import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import type { GraphError } from '../microsoft365/graph-error.ts';
import type { MailApi } from '../microsoft365/mail.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { attachmentQueues, storeAttachmentsJob } from '../ticketing/attachments.jobs.ts';
import type { InboundMessage } from '../ticketing/inbound-message.entity.ts';
import { placesOfMails } from './mail-places.ts';

/**
 * What became of a mail that was to be deleted. `HELD`: its files are still being fetched. `INCOMPLETE`: a file of it is not
 * stored here. `SHORTENED`: a part of its text is not.
 */
export type DeletionOutcome = 'DELETED' | 'GONE' | 'HELD' | 'INCOMPLETE' | 'SHORTENED' | GraphError;

/**
 * Deletes processed mail, by Graph id what became of each. Nothing is deleted that is not stored here as a whole: a mail
 * waits for its files, and one of which a part is only at Microsoft stays (`INCOMPLETE`, `SHORTENED`).
 *
 * Looks first where each mail lies, and deletes what is still in the watched folder: what a person has filed elsewhere is
 * theirs, and after an answer that was lost deleting twice would take a mail from Deleted Items to Recoverable Items, and a
 * third time for good. What a person has deleted is done, whatever of it is not stored here. Throws `GraphError`.
 */
export async function deleteMail(
  em: EntityManager,
  { mail, clock, signal }: { mail: MailApi; clock: Clock; signal: AbortSignal },
  mailbox: Mailbox,
  rows: readonly InboundMessage[],
): Promise<Map<string, DeletionOutcome>> {
  const outcomes = new Map<string, DeletionOutcome>();
  const lacks = await readLacks(em, mailbox, rows);
  const asked: InboundMessage[] = [];
  for (const row of rows) {
    if (lacks.get(row.id) === 'HELD') outcomes.set(row.graphMessageId, 'HELD');
    else asked.push(row);
  }
  if (asked.length > 0) {
    for (const [id, place] of await placesOfMails(mail, mailbox, asked, signal)) {
      if (place !== 'WATCHED') outcomes.set(id, place === 'GONE' ? 'GONE' : 'DELETED');
    }
  }
  const open: InboundMessage[] = [];
  for (const row of asked) {
    if (outcomes.has(row.graphMessageId)) continue;
    const lack = lacks.get(row.id);
    if (lack === undefined) open.push(row);
    else outcomes.set(row.graphMessageId, lack);
  }
  if (open.length === 0) return outcomes;
  for (const row of open) row.deletionTriedAt = clock.now();
  await em.flush();
  const ids = open.map(({ graphMessageId }) => graphMessageId);
  const deleted = await mail.deleteMails(accessOf(mailbox), ids, signal);
  for (const [id, outcome] of deleted) outcomes.set(id, outcome);
  return outcomes;
}

/** What keeps messages from being deleted, by ledger id; those that are stored as a whole are left out. */
async function readLacks(
  em: EntityManager,
  mailbox: Mailbox,
  rows: readonly InboundMessage[],
): Promise<Map<string, 'HELD' | 'INCOMPLETE' | 'SHORTENED'>> {
  const organizationId = mailbox.organization.id;
  // A job that has used up its tries is no matter where its files came in another way.
  const found = await em.execute<{ id: string; waits: boolean; lacks: boolean; isShortened: boolean }[]>(
    `with fetching as (
       select jsonb_array_elements_text(job.payload::jsonb -> 'inboundMessageIds') as id,
         bool_or(job.attempts < job.max_attempts or job.locked_at is not null) as goes_on
       from graphile_worker._private_jobs as job
       join graphile_worker._private_tasks as task on task.id = job.task_id
       join graphile_worker._private_job_queues as queue on queue.id = job.job_queue_id
       where task.identifier = ? and queue.queue_name in (?) group by 1
     )
     select seen.id, coalesce(fetching.goes_on, false) or 'PENDING' = any(files.states) as waits,
       coalesce(not fetching.goes_on, false) and (files.states = '{}' or 'PENDING' = any(files.states))
         or not files.states <@ array['STORED', 'LINK', 'PENDING'] as lacks,
       coalesce(detail.is_shortened, false) as "isShortened"
     from inbound_message as seen
     left join fetching on fetching.id = seen.id::text
     left join message_detail as detail
       on detail.organization_id = seen.organization_id and detail.message_id = seen.message_id
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
  return new Map(
    found.flatMap(({ id, waits, lacks, isShortened }) => {
      const lack = isShortened ? 'SHORTENED' : lacks ? 'INCOMPLETE' : waits ? 'HELD' : null;
      return lack === null ? [] : [[id, lack] as const];
    }),
  );
}
