import { type Database, type EntityManager, forkFor } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import type { AccountReference } from './access-token.ts';
import { Account, type AccountStatus } from './account.entity.ts';
import {
  type AccountSignal,
  type AccountState,
  nextAccountState,
  type RefusalStatus,
} from './account-status-plan.ts';
import { lockTokens } from './token-lock.ts';

/**
 * Applies what was learnt about an account and records the change; call it inside a transaction that holds the lock of its
 * tokens. The same state again keeps `since`, and records nothing: a mailbox that is polled every minute does not make an
 * event every minute.
 */
export async function applyAccountSignal(
  em: EntityManager,
  account: Account,
  signal: AccountSignal,
  now: Date,
): Promise<void> {
  const before = stateOf(account);
  const after = nextAccountState(before, signal, now);
  if (after !== before) {
    account.status = after.status;
    account.problem = after.problem;
  }
  await em.flush();
  if (after.status === before.status && after.problem?.code === before.problem?.code) return;
  await recordEvents(em, account.organization.id, [
    { type: 'account-status.changed', accountId: account.id },
  ]);
}

/** What a token that was issued (`ACTIVE`) or refused means for an account: see {@link applyAccountSignal}. */
export async function setAccountStatus(
  em: EntityManager,
  account: Account,
  status: AccountStatus,
  problem: Problem | null,
): Promise<void> {
  const signal: AccountSignal =
    problem === null || !isRefusal(status)
      ? { kind: 'TOKEN_ISSUED' }
      : { kind: 'TOKEN_REFUSED', status, problem };
  // Neither of these depends on the time.
  await applyAccountSignal(em, account, signal, new Date(0));
}

/** As {@link applyAccountSignal}, in a transaction of its own, and only when the signal would change anything. */
export async function noteAccountSignal(
  database: Database,
  { organizationId, accountId }: AccountReference,
  signal: AccountSignal,
  now: Date,
): Promise<void> {
  const glance = await forkFor(database, organizationId).findOne(Account, { id: accountId });
  if (!glance) return;
  const before = stateOf(glance);
  if (nextAccountState(before, signal, now) === before) return;
  await forkFor(database, organizationId).transactional(async (em) => {
    await lockTokens(em, accountId);
    const account = await em.findOne(Account, { id: accountId });
    if (account) await applyAccountSignal(em, account, signal, now);
  });
}

function isRefusal(status: AccountStatus): status is RefusalStatus {
  return status !== 'ACTIVE' && status !== 'THROTTLED' && status !== 'DISCONNECTED';
}

/** The state of an account as it is stored. */
export function stateOf({ status, problem }: Pick<Account, 'status' | 'problem'>): AccountState {
  return { status, problem: problem ?? null };
}
