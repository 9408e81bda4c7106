import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { OutboundMessage } from './outbound-message.entity.ts';
import { SENDING_LIMIT } from './outbound-problems.ts';
import { isHeldBy } from './ticket-order.ts';

/** What a mail waits for that is queued. */
export type WaitingReason = 'TURN' | 'EARLIER_MESSAGE' | 'LIMIT' | 'THROTTLED' | 'ACCOUNT' | 'RETRY';

const OF_THE_ACCOUNT: ReadonlySet<string> = new Set([
  'SIGN_IN_REQUIRED',
  'CONSENT_REQUIRED',
  'CREDENTIAL_REFUSED',
  'MFA_REQUIRED',
  'ACCOUNT_NOT_FOUND',
  'ACCOUNT_DISABLED',
  'APP_NOT_ASSIGNED',
  'CONDITIONAL_ACCESS',
  'SENDING_BLOCKED',
]);

/**
 * What is in the way of a mail that waits: its own problem, or where it has none the pause of its mailbox, which keeps all
 * of its mail; null when nothing is. Pure.
 */
export function obstacleOf(
  { state, problem }: Pick<OutboundMessage, 'state' | 'problem'>,
  { sendingProblem }: Pick<Mailbox, 'sendingProblem'>,
): Problem | null {
  return problem ?? (state === 'QUEUED' ? sendingProblem : null) ?? null;
}

/** Why a mail waits; null for one that does not. `obstacle`: see {@link obstacleOf}. Pure. */
export function waitingReason(
  { state }: Pick<OutboundMessage, 'state'>,
  obstacle: Problem | null,
  isBehindAnother: boolean,
): WaitingReason | null {
  if (state !== 'QUEUED') return null;
  if (obstacle === null) return isBehindAnother ? 'EARLIER_MESSAGE' : 'TURN';
  if (obstacle.code === SENDING_LIMIT) return 'LIMIT';
  if (obstacle.code === 'THROTTLED') return 'THROTTLED';
  return OF_THE_ACCOUNT.has(obstacle.code) ? 'ACCOUNT' : 'RETRY';
}

/**
 * The mail of the same ticket that has to go before a mail can; undefined when there is none. By
 * `<organization id>:<id>`; for a page two queries.
 */
export const mailInTheWay = batching(async (em, keys: readonly string[]) => {
  const [organizationId = ''] = (keys[0] ?? '').split(':');
  const ids = keys.map((key) => key.slice(organizationId.length + 1));
  const rows = await em.execute<{ id: string; earlier_id: string }[]>(
    `select distinct on (queued.id) queued.id, earlier.id as earlier_id
       from outbound_message as queued join outbound_message as earlier on ${isHeldBy('earlier', 'queued')}
      where queued.organization_id = ? and queued.id in (?) and queued.state in ('QUEUED', 'SENDING')
      order by queued.id, earlier.position`,
    [organizationId, ids],
  );
  const earlier = await em.find(OutboundMessage, { id: { $in: rows.map((row) => row.earlier_id) } });
  return new Map(
    rows.flatMap(({ id, earlier_id }) => {
      const found = earlier.find((mail) => mail.id === earlier_id);
      return found === undefined ? [] : [[`${organizationId}:${id}`, found] as const];
    }),
  );
});

/**
 * The first mail of a ticket that a reply from a mailbox would have to wait for, and that something is the matter with;
 * null when there is none. What only takes its turn is gone in a moment.
 */
export async function stuckBefore(
  em: EntityManager,
  organizationId: string,
  ticketId: string,
  mailboxId: string,
): Promise<{ subject: string; problem: Problem } | null> {
  const [row] = await em.execute<{ subject: string; problem: Problem }[]>(
    `select subject, problem from outbound_message
      where organization_id = ? and ticket_id = ? and mailbox_id = ? and state in ('QUEUED', 'SENDING')
        and kind <> 'NOTIFICATION' and problem is not null
      order by position limit 1`,
    [organizationId, ticketId, mailboxId],
  );
  return row ?? null;
}
