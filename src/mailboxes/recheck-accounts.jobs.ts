import type { Loaded } from '@mikro-orm/core';
import { z } from 'zod';
import { defineJob, handleJob, type JobHandler } from '../jobs/define-job.ts';
import type { ScheduleEntry } from '../jobs/schedule.ts';
import { Account } from '../microsoft365/account.entity.ts';
import { stateOf } from '../microsoft365/account-status.ts';
import { isRecheckDue, RECHECK_MILLISECONDS } from '../microsoft365/account-status-plan.ts';
import type { Microsoft365 } from '../microsoft365/create-microsoft365.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { Clock } from '../platform/clock.ts';
import {
  acrossOrganizations,
  type Database,
  forkAcrossOrganizations,
  forkFor,
} from '../platform/database.ts';
import { reachTenant } from './refresh-account.ts';

/** Accounts that are read at a time. */
const ACCOUNTS_PER_PAGE = 1_000;
/** As many at a time: a check takes half a minute at most, and other jobs want tokens too. */
const AT_A_TIME = 4;

/**
 * Looks again at accounts that are not well: polling does so for the mailboxes that take mail in, and nobody for the
 * others. Any number of ticks are one waiting job; a round that failed is not repeated, since the next one is near.
 */
export const recheckAccountsJob = defineJob({
  name: 'mailboxes.recheck-accounts',
  input: z.object({}),
  key: () => 'all',
  queue: () => 'mailboxes.recheck-accounts',
  maxAttempts: 1,
});

/** When {@link recheckAccountsJob} runs: every {@link RECHECK_MILLISECONDS}. */
export const recheckSchedule: readonly ScheduleEntry[] = [
  { job: recheckAccountsJob, pattern: '20 */5 * * * *' },
];

/** What does {@link recheckAccountsJob}: a new token and the profile of each account that is due, see `isRecheckDue`. */
export function createRecheckAccounts(deps: {
  database: Database;
  microsoft365: Microsoft365;
  clock: Clock;
  accountsPerPage?: number;
}): JobHandler {
  const { database, microsoft365, clock, accountsPerPage = ACCOUNTS_PER_PAGE } = deps;
  return handleJob(recheckAccountsJob, async (_input, { signal, logger }) => {
    const until = AbortSignal.any([signal, AbortSignal.timeout(RECHECK_MILLISECONDS)]);
    const due = dueAccounts(database, clock, accountsPerPage);
    // They share one iterator: whoever is free takes the next account. One that ends early does not end it for the others.
    const workers = Array.from({ length: AT_A_TIME }, async () => {
      for (let next = await due.next(); !next.done && !until.aborted; next = await due.next()) {
        const reference = { organizationId: next.value.organization.id, accountId: next.value.id };
        try {
          const { account } = await microsoft365.checkAccount(reference);
          await reachTenant(forkFor(database, reference.organizationId), microsoft365, account);
        } catch (error) {
          // Disconnected meanwhile, or gone: then nobody waits for it.
          logger.info(
            { ...reference, code: error instanceof GraphError ? error.code : null },
            'not rechecked',
          );
        }
      }
    });
    await Promise.all(workers);
  });
}

/**
 * Page by page, since of many that are not well few are due. What is not reached before the next round begins is due then
 * as well, and those that were looked at are not.
 */
async function* dueAccounts(database: Database, clock: Clock, perPage: number) {
  for (let last: string | null = null; ; ) {
    // The clock ticks for every organization; each account is then looked at within its own.
    const ailing: Loaded<Account, never, 'organization' | 'status' | 'problem'>[] =
      await forkAcrossOrganizations(database).find(
        Account,
        { status: { $nin: ['ACTIVE', 'DISCONNECTED'] }, ...(last !== null && { id: { $gt: last } }) },
        {
          ...acrossOrganizations,
          fields: ['organization', 'status', 'problem'],
          orderBy: { id: 'asc' },
          limit: perPage,
        },
      );
    const now = clock.now();
    yield* ailing.filter(({ status, problem }) => isRecheckDue(stateOf({ status, problem }), now));
    last = ailing.at(-1)?.id ?? null;
    if (last === null || ailing.length < perPage) return;
  }
}
