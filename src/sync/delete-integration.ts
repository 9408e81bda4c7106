import { DeadlockException } from '@mikro-orm/core';
import { NotFoundError } from '../errors.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { Account } from '../microsoft365/account.entity.ts';
import type { Microsoft365 } from '../microsoft365/create-microsoft365.ts';
import { getIntegration } from '../microsoft365/integrations.ts';
import { SECOND } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { PushSubscription } from './push-subscription.entity.ts';

/** How long Microsoft is given to end the subscriptions; what remains there ends by itself within a week. */
const REMOVAL_MILLISECONDS = 10 * SECOND;
/** Subscriptions that are ended; there is one for each mailbox. */
const MOST_SUBSCRIPTIONS = 500;
const TRIES = 5;

export interface DeleteIntegrationDeps {
  microsoft365: Microsoft365;
  logger: Logger;
}

/**
 * Deletes an integration for good: its credential, its accounts with their tokens, their mailboxes with settings, ledger
 * and sync state. Tickets, messages and files stay, and no longer name the mailbox. Subscriptions at Microsoft are ended
 * as far as it answers. What an administrator has granted at Microsoft stays there. Throws `NotFoundError`.
 */
export async function deleteIntegration(
  em: EntityManager,
  { microsoft365, logger }: DeleteIntegrationDeps,
  organizationId: string,
  integrationId: string,
): Promise<void> {
  await getIntegration(em, integrationId);
  const accounts = await em.find(Account, { integration: integrationId }, { fields: ['id'] });
  await endSubscriptions(em, microsoft365, integrationId);
  for (let tries = 1; ; tries += 1) {
    try {
      await em.fork().transactional((inner) => deleteRows(inner, organizationId, integrationId));
      break;
    } catch (error) {
      // A page of mail that is being stored locks tickets before the mailbox: then one of the two has to begin again.
      if (!(error instanceof DeadlockException) || tries === TRIES) throw error;
    }
  }
  for (const { id: accountId } of accounts) microsoft365.tokens.forget({ organizationId, accountId });
  logger.info({ organizationId, integrationId, accounts: accounts.length }, 'an integration was deleted');
}

async function endSubscriptions(
  em: EntityManager,
  { push }: Microsoft365,
  integrationId: string,
): Promise<void> {
  const subscriptions = await em.find(
    PushSubscription,
    { mailbox: { account: { integration: integrationId } }, graphSubscriptionId: { $ne: null } },
    { populate: ['mailbox'], orderBy: { id: 'desc' }, limit: MOST_SUBSCRIPTIONS },
  );
  const signal = AbortSignal.timeout(REMOVAL_MILLISECONDS);
  await Promise.allSettled(
    subscriptions.map(async ({ mailbox, graphSubscriptionId }) => {
      if (graphSubscriptionId)
        await push.remove(accessOf(await mailbox.loadOrFail()), graphSubscriptionId, signal);
    }),
  );
}

async function deleteRows(em: EntityManager, organizationId: string, integrationId: string): Promise<void> {
  const [integration] = await em.execute<unknown[]>(
    'select from integration where organization_id = ? and id = ? for update',
    [organizationId, integrationId],
  );
  // Somebody else was faster.
  if (!integration) throw new NotFoundError('The integration');
  const mailboxes = await em.execute<{ id: string }[]>(
    `select mailbox.id from mailbox
       join account on account.organization_id = mailbox.organization_id and account.id = mailbox.account_id
      where mailbox.organization_id = ? and account.integration_id = ? order by mailbox.id for update of mailbox`,
    [organizationId, integrationId],
  );
  const ids = JSON.stringify(mailboxes.map(({ id }) => id));
  const ofThese = [organizationId, ids];
  await em.execute(
    `update ticket set mailbox_id = null where organization_id = ?
       and mailbox_id in (select value::uuid from json_array_elements_text(?::json))`,
    ofThese,
  );
  await em.execute(
    `update message set mailbox_id = null where organization_id = ?
       and mailbox_id in (select value::uuid from json_array_elements_text(?::json))`,
    ofThese,
  );
  // What belongs to a mailbox alone (ledger, runs, subscriptions) goes with it.
  await em.execute(
    `delete from mailbox where organization_id = ?
       and id in (select value::uuid from json_array_elements_text(?::json))`,
    ofThese,
  );
  await em.execute('delete from integration where organization_id = ? and id = ?', [
    organizationId,
    integrationId,
  ]);
}
