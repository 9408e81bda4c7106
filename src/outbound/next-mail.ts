/* Which mail of a lane is next, and when. */
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import type { DeliveryRow, Lane } from './outbox-rows.ts';
import { FIRST_ACROSS_MAILBOXES, goesBefore, goesBeforeAcross, isHeldBy } from './ticket-order.ts';

/** SQL, of `queued`. */
const BEHIND_ANOTHER = `exists (select from outbound_message as earlier where ${isHeldBy('earlier', 'queued')})`;

/** As urgent as the most urgent mail that waits behind it: a reply waits for no other notification than its ticket's own. */
const URGENCY = `least(queued.priority, coalesce((select min(later.priority) from outbound_message as later
  where ${goesBefore('queued', 'later')} and later.state = 'QUEUED'), queued.priority))`;

/** Without a problem it is due at once, by whichever clock it was queued. */
const IS_DUE = '(queued.problem is null or queued.due_at <= clock_timestamp())';

/**
 * Takes the next mail of a lane that is due, and says so to everybody. Null when there is none, or the mailbox pauses: no
 * lane of it begins anything at Microsoft then, whatever was queued since, and nothing overtakes what met the pause. (What
 * the other lane was at when Microsoft asked for it goes on: once, and is told the same.)
 *
 * In one statement with the choice: what was cancelled in the same instant is not taken, and what was taken cannot be
 * cancelled any more.
 */
export async function claimNext(
  em: EntityManager,
  { organizationId, mailboxId, lane }: Lane,
  now: Date,
): Promise<string | null> {
  return await em.transactional(async (inside) => {
    const [row] = await inside.execute<{ id: string; ticket_id: string | null }[]>(
      `update outbound_message as taken
          set state = 'SENDING', attempts = attempts + 1, version = version + 1, updated_at = ?
        where taken.organization_id = ? and taken.state in ('QUEUED', 'SENDING') and taken.id = (
          select id from outbound_message as queued
           where queued.organization_id = ? and queued.mailbox_id = ? and queued.lane = ?
             and queued.state in ('QUEUED', 'SENDING') and ${IS_DUE} and not ${BEHIND_ANOTHER}
             and not exists (select from mailbox where organization_id = ? and id = ?
               and sending_paused_until > clock_timestamp())
           order by ${URGENCY}, queued.position limit 1)
        returning id, ticket_id`,
      [now, organizationId, organizationId, mailboxId, lane, organizationId, mailboxId],
    );
    if (row === undefined) return null;
    await recordEvents(inside, organizationId, [
      { type: 'outbound-message.changed', outboundMessageId: row.id, ticketId: row.ticket_id },
    ]);
    return row.id;
  });
}

/**
 * After how many milliseconds something of the lane is due, and the mailbox does not pause; null when nothing waits that
 * only time makes due. (`greatest` leaves nulls out.)
 */
export async function dueAfter(
  em: EntityManager,
  { organizationId, mailboxId, lane }: Lane,
): Promise<number | null> {
  const [row] = await em.execute<{ milliseconds: number | null }[]>(
    `select (extract(epoch from min(greatest(
           case when queued.problem is null then clock_timestamp() else queued.due_at end,
           (select max(earlier.created_at) + ${FIRST_ACROSS_MAILBOXES} from outbound_message as earlier
             where ${goesBeforeAcross('earlier', 'queued')}),
           (select sending_paused_until from mailbox where organization_id = ? and id = ?)
         )) - clock_timestamp()) * 1000)::float8 as milliseconds
       from outbound_message as queued
      where queued.organization_id = ? and queued.mailbox_id = ? and queued.lane = ?
        and queued.state in ('QUEUED', 'SENDING')
        and not exists (select from outbound_message as earlier where ${goesBefore('earlier', 'queued')})`,
    [organizationId, mailboxId, organizationId, mailboxId, lane],
  );
  return row?.milliseconds == null ? null : Math.max(0, row.milliseconds);
}

/** After how many milliseconds the first of those is due that are waiting for their time; null when none is. */
export async function nextDueAfter(
  em: EntityManager,
  { organizationId, mailboxId, lane }: Lane,
): Promise<number | null> {
  const [row] = await em.execute<{ milliseconds: number | null }[]>(
    `select (extract(epoch from min(due_at) - clock_timestamp()) * 1000)::float8 as milliseconds
       from outbound_message
      where organization_id = ? and mailbox_id = ? and lane = ? and state in ('QUEUED', 'SENDING')
        and problem is not null and due_at > clock_timestamp()`,
    [organizationId, mailboxId, lane],
  );
  return row?.milliseconds == null ? null : Math.max(0, row.milliseconds);
}

/** Whether a more urgent mail of its ticket waits behind a mail. */
export async function holdsUpAnother(
  em: EntityManager,
  { organizationId, id }: Pick<DeliveryRow, 'organizationId' | 'id'>,
): Promise<boolean> {
  const found = await em.execute<object[]>(
    `select from outbound_message as own join outbound_message as later
         on ${goesBefore('own', 'later')} and later.priority < own.priority and later.state = 'QUEUED'
      where own.organization_id = ? and own.id = ? limit 1`,
    [organizationId, id],
  );
  return found.length > 0;
}
