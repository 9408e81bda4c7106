/*
 * The pause of a mailbox: Microsoft has told one of its mails to come back later, and means all of them. It is kept with the
 * mailbox, where each of its lanes, in whatever process, reads it before it takes a mail. Written by SQL: the version of
 * the entity tells a sync that the incoming settings have changed.
 */
import { enqueueMany } from '../jobs/enqueue-many.ts';
import { type Database, type EntityManager, forkAcrossOrganizations, forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { deliverJob } from './deliver.jobs.ts';
import type { OutboundLane } from './outbound-message.entity.ts';

/**
 * How long after its end a pause is still shown: what waits is tried then, and until that has come to something nobody
 * shall believe that a blocked account was released.
 */
const SHOWN_FOR = '1 minute';
/** Pauses that are ended in one sweep. */
const SWEPT = 500;

/** Which mailbox. */
export interface MailboxReference {
  organizationId: string;
  mailboxId: string;
}

/** Lets nothing of a mailbox out for so many milliseconds. A longer pause that lasts already stays. */
export async function pauseMailbox(
  em: EntityManager,
  { organizationId, mailboxId }: MailboxReference,
  milliseconds: number,
  problem: Problem,
): Promise<void> {
  await em.transactional(async (inside) => {
    const [paused] = await inside.execute<{ code_before: string | null }[]>(
      `update mailbox set sending_paused_until = clock_timestamp() + ?::float8 * interval '1 millisecond',
         sending_problem = case when before.problem ->> 'code' = ?
           then jsonb_set(?::jsonb, '{since}', before.problem -> 'since') else ?::jsonb end
       from (select sending_paused_until as until, sending_problem as problem from mailbox
              where organization_id = ? and id = ? for update) as before
       where organization_id = ? and id = ? and (before.until is null
         or before.until < clock_timestamp() + ?::float8 * interval '1 millisecond')
       returning before.problem ->> 'code' as code_before`,
      [
        milliseconds,
        problem.code,
        JSON.stringify(problem),
        JSON.stringify(problem),
        organizationId,
        mailboxId,
        organizationId,
        mailboxId,
        milliseconds,
      ],
    );
    if (paused === undefined) return;
    if (isBlock(paused.code_before) !== isBlock(problem.code))
      await tell(inside, organizationId, [mailboxId]);
  });
}

/** Notes that an account is not blocked: a mail has gone out. */
export async function noteUnblocked(em: EntityManager, { organizationId, mailboxId }: MailboxReference) {
  await em.transactional(async (inside) => {
    await unblock(inside, organizationId, { mailboxId });
  });
}

/**
 * Makes due at once what waits in a mailbox, or in those of an account, also where Microsoft has blocked it: somebody says
 * that the account can act again. A pause that Microsoft asked for stays: nobody but Microsoft ends that. Call it inside
 * a transaction.
 */
export async function hurryMailboxes(
  em: EntityManager,
  organizationId: string,
  which: { mailboxId: string } | { accountId: string },
): Promise<void> {
  const [mailboxId, accountId] = 'mailboxId' in which ? [which.mailboxId, null] : [null, which.accountId];
  await unblock(em, organizationId, which);
  await em.execute(
    `update outbound_message as queued set due_at = clock_timestamp(), version = queued.version + 1
       from mailbox
      where mailbox.organization_id = ? and (mailbox.id = ?::uuid or mailbox.account_id = ?::uuid)
        and queued.organization_id = mailbox.organization_id and queued.mailbox_id = mailbox.id
        and queued.state in ('QUEUED', 'SENDING') and queued.problem is not null and queued.due_at > clock_timestamp()`,
    [organizationId, mailboxId, accountId],
  );
  const lanes = await em.execute<{ mailbox_id: string; lane: OutboundLane }[]>(
    `select distinct queued.mailbox_id, queued.lane from outbound_message as queued join mailbox
         on mailbox.organization_id = queued.organization_id and mailbox.id = queued.mailbox_id
      where mailbox.organization_id = ? and (mailbox.id = ?::uuid or mailbox.account_id = ?::uuid)
        and queued.state in ('QUEUED', 'SENDING')`,
    [organizationId, mailboxId, accountId],
  );
  await enqueueMany(
    em,
    deliverJob,
    lanes.map(({ mailbox_id, lane }) => ({ organizationId, mailboxId: mailbox_id, lane })),
  );
}

/**
 * Forgets pauses, of whatever organization, that are over and were not asked for again. A blocked account in whose mailbox
 * nothing waits is found out anew by the next mail: nothing else would ever tell that it was released.
 */
export async function endPauses(database: Database, signal: AbortSignal): Promise<void> {
  const ended = await forkAcrossOrganizations(database, signal).execute<
    { organization_id: string; id: string }[]
  >(
    `select organization_id, id from mailbox
      where sending_paused_until < clock_timestamp() - interval '${SHOWN_FOR}' limit ${SWEPT}`,
  );
  for (const { organization_id: organizationId, id } of ended) {
    await forkFor(database, organizationId, signal).transactional(async (em) => {
      const [forgotten] = await em.execute<{ code: string | null }[]>(
        `update mailbox set sending_paused_until = null, sending_problem = null
         from (select sending_problem ->> 'code' as code from mailbox where organization_id = ? and id = ?
           and sending_paused_until < clock_timestamp() - interval '${SHOWN_FOR}' for update) as before
         where organization_id = ? and id = ? returning before.code`,
        [organizationId, id, organizationId, id],
      );
      if (forgotten !== undefined && isBlock(forgotten.code)) await tell(em, organizationId, [id]);
    });
  }
}

async function unblock(
  em: EntityManager,
  organizationId: string,
  which: { mailboxId: string } | { accountId: string },
): Promise<void> {
  const [mailboxId, accountId] = 'mailboxId' in which ? [which.mailboxId, null] : [null, which.accountId];
  const unblocked = await em.execute<{ id: string }[]>(
    `update mailbox set sending_paused_until = null, sending_problem = null
      where organization_id = ? and (id = ?::uuid or account_id = ?::uuid)
        and sending_problem ->> 'code' = 'SENDING_BLOCKED' returning id`,
    [organizationId, mailboxId, accountId],
  );
  await tell(
    em,
    organizationId,
    unblocked.map(({ id }) => id),
  );
}

/** Of other pauses nobody is told: they pass by themselves. */
function isBlock(code: string | null): boolean {
  return code === 'SENDING_BLOCKED';
}

async function tell(em: EntityManager, organizationId: string, mailboxIds: readonly string[]): Promise<void> {
  await recordEvents(
    em,
    organizationId,
    mailboxIds.map((mailboxId) => ({ type: 'mailbox.changed', mailboxId }) as const),
  );
}
