import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';

/** More are not counted: it would only cost time. */
const MOST_COUNTED = 10_000;

/** The mail of a mailbox that could not be archived, deleted or copied, and stays so until somebody acts. */
export interface FilingFailures {
  /** 10,000 stands for that and more. */
  count: number;
  /** Why, of the last that was seen; null when there is none. */
  problem: Problem | null;
}

const NONE: FilingFailures = { count: 0, problem: null };

/** What could not be filed in a mailbox. For a page of mailboxes it is one statement. */
export async function filingFailuresOf(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
): Promise<FilingFailures> {
  return (await loadFailures(em, `${organizationId} ${mailboxId}`)) ?? NONE;
}

const loadFailures = batching(async (em, keys: readonly string[]) => {
  const asked = keys.map((key) => {
    const [organizationId, mailboxId] = key.split(' ');
    return { key, organization_id: organizationId, mailbox_id: mailboxId };
  });
  const rows = await em.execute<(FilingFailures & { key: string })[]>(
    `select asked.key, failed.count, newest.problem
     from json_to_recordset(?::json) as asked(key text, organization_id uuid, mailbox_id uuid)
     cross join lateral (
       select count(*)::int as count from (
         select from inbound_message as seen
         where seen.organization_id = asked.organization_id and seen.mailbox_id = asked.mailbox_id
           and (seen.archive_state = 'FAILED' or seen.copy_state = 'FAILED') limit ${MOST_COUNTED}
       ) as counted
     ) as failed
     left join lateral (
       select seen.problem from inbound_message as seen
       where seen.organization_id = asked.organization_id and seen.mailbox_id = asked.mailbox_id
         and (seen.archive_state = 'FAILED' or seen.copy_state = 'FAILED')
       order by seen.created_at desc, seen.id desc limit 1
     ) as newest on true
     where failed.count > 0`,
    [JSON.stringify(asked)],
  );
  return new Map(rows.map(({ key, ...failures }) => [key, failures]));
});

/**
 * Writes down what became of a step's mails, as the entity manager has it, and when some could not be filed tells those who
 * watch the mailbox.
 */
export async function saveFiling(
  em: EntityManager,
  { organizationId, mailboxId }: { organizationId: string; mailboxId: string },
  hasFailures: boolean,
): Promise<void> {
  await em.transactional(async (tx) => {
    await tx.flush();
    if (hasFailures) await recordEvents(tx, organizationId, [{ type: 'sync-status.changed', mailboxId }]);
  });
}
