import { batching } from '../platform/batching.ts';
import type { OutboundMessage } from './outbound-message.entity.ts';
import { SENDING_LIMIT } from './outbound-problems.ts';

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

/** Why a mail waits; null for one that does not. Pure. */
export function waitingReason(
  { state, problem }: Pick<OutboundMessage, 'state' | 'problem'>,
  isBehindAnother: boolean,
): WaitingReason | null {
  if (state !== 'QUEUED') return null;
  if (problem == null) return isBehindAnother ? 'EARLIER_MESSAGE' : 'TURN';
  if (problem.code === SENDING_LIMIT) return 'LIMIT';
  if (problem.code === 'THROTTLED') return 'THROTTLED';
  return OF_THE_ACCOUNT.has(problem.code) ? 'ACCOUNT' : 'RETRY';
}

/** Whether an earlier mail of the same ticket is not sent yet. By `<organization id>:<id>`; for a page one query. */
export const isBehindAnother = batching(async (em, keys: readonly string[]) => {
  const [organizationId = ''] = (keys[0] ?? '').split(':');
  const ids = keys.map((key) => key.slice(organizationId.length + 1));
  const rows = await em.execute<{ id: string }[]>(
    `select queued.id from outbound_message as queued
      where queued.organization_id = ? and queued.id in (?) and exists (
        select from outbound_message as earlier
         where earlier.organization_id = queued.organization_id and earlier.ticket_id = queued.ticket_id
           and earlier.position < queued.position and earlier.state in ('QUEUED', 'SENDING'))`,
    [organizationId, ids],
  );
  const behind = new Set(rows.map(({ id }) => id));
  return new Map(keys.map((key, index) => [key, behind.has(ids[index] ?? '')] as const));
});
