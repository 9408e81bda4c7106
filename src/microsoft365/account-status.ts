import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import type { Account, AccountStatus } from './account.entity.ts';

/**
 * Sets what is known about an account and records the change; call it inside a transaction. The same state again keeps
 * `since`, and records nothing: a mailbox that is polled every minute does not make an event every minute.
 */
export async function setAccountStatus(
  em: EntityManager,
  account: Account,
  status: AccountStatus,
  problem: Problem | null,
): Promise<void> {
  const before = account.problem ?? null;
  const isSame = account.status === status && before?.code === problem?.code;
  account.status = status;
  account.problem =
    problem === null
      ? null
      : { ...problem, since: isSame ? (before?.since ?? problem.since) : problem.since };
  await em.flush();
  if (!isSame) {
    await recordEvents(em, account.organization.id, [
      { type: 'account-status.changed', accountId: account.id },
    ]);
  }
}
