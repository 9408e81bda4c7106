import { SECOND } from '../platform/clock.ts';
import { type Database, forkFor } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { AccessTokens } from './access-token.ts';
import { Account } from './account.entity.ts';
import type { OnConnected } from './complete-sign-in.ts';
import { GraphError } from './graph-error.ts';
import type { Integration } from './integration.entity.ts';

/** How long the request that brought the cure waits; who takes longer heals at the next use. */
const HEAL_MILLISECONDS = 10 * SECOND;
/** More accounts of one integration heal at their next use. */
const MOST_ACCOUNTS = 50;

export interface HealDeps {
  database: Database;
  logger: Logger;
  tokens: AccessTokens;
  onHealed?: OnConnected;
}

/**
 * Tries the accounts again that Microsoft refused for a reason (`ailing`) which has just gone. Nobody has to wait for the
 * next poll, which may be an hour away. What fails is left as it is: its status says why.
 */
export async function healAccounts(
  deps: HealDeps,
  integration: Integration,
  ailing: 'CREDENTIAL_EXPIRED' | 'NEEDS_CONSENT',
): Promise<void> {
  const { database, logger, tokens, onHealed } = deps;
  const organizationId = integration.organization.id;
  const accounts = await forkFor(database, organizationId).find(
    Account,
    { integration: integration.id, status: ailing },
    { fields: ['id'], orderBy: { id: 'asc' }, limit: MOST_ACCOUNTS },
  );
  const signal = AbortSignal.timeout(HEAL_MILLISECONDS);
  await Promise.all(
    accounts.map(async ({ id: accountId }) => {
      try {
        // Never one from memory: it would say nothing about what Microsoft grants now.
        await tokens.recheck({ organizationId, accountId }, signal);
      } catch (error) {
        if (!(error instanceof GraphError) && !signal.aborted) throw error;
        logger.warn({ organizationId, accountId }, 'an account did not heal');
        return;
      }
      await forkFor(database, organizationId).transactional(async (em) => {
        const account = await em.findOne(Account, { id: accountId });
        if (account?.status === 'ACTIVE') await onHealed?.(em, account);
      });
    }),
  );
}
