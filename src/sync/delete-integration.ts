import { DeadlockException } from '@mikro-orm/core';
import { NotFoundError } from '../errors.ts';
import { Account } from '../microsoft365/account.entity.ts';
import type { Microsoft365 } from '../microsoft365/create-microsoft365.ts';
import { getIntegration } from '../microsoft365/integrations.ts';
import { announceTokensVoid } from '../microsoft365/token-watch.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { endSubscriptions } from './end-subscriptions.ts';
import { removeMailbox } from './remove-mailbox.ts';

const TRIES = 5;

export interface DeleteIntegrationDeps {
  microsoft365: Microsoft365;
  clock: Clock;
  logger: Logger;
}

/**
 * Deletes an integration for good: its credential and its accounts with their tokens. Their mailboxes are removed as
 * `removeMailbox` does it: tickets, messages, files and the ledger stay, and whoever connects such a mailbox again, through
 * whatever integration, takes no mail in twice. Subscriptions at Microsoft are ended as far as it answers. What an
 * administrator has granted at Microsoft stays there. Throws `NotFoundError`.
 */
export async function deleteIntegration(
  em: EntityManager,
  { microsoft365, clock, logger }: DeleteIntegrationDeps,
  organizationId: string,
  integrationId: string,
): Promise<void> {
  await getIntegration(em, integrationId);
  const accounts = await em.find(Account, { integration: integrationId }, { fields: ['id'] });
  await endSubscriptions(em, microsoft365.push, { mailbox: { account: { integration: integrationId } } });
  for (let tries = 1; ; tries += 1) {
    try {
      await em.fork().transactional((inner) => deleteRows(inner, clock, organizationId, integrationId));
      break;
    } catch (error) {
      // A page of mail that is being stored locks tickets before the mailbox: then one of the two has to begin again.
      if (!(error instanceof DeadlockException) || tries === TRIES) throw error;
    }
  }
  for (const { id: accountId } of accounts) microsoft365.tokens.forget({ organizationId, accountId });
  logger.info({ organizationId, integrationId, accounts: accounts.length }, 'an integration was deleted');
}

async function deleteRows(
  em: EntityManager,
  clock: Clock,
  organizationId: string,
  integrationId: string,
): Promise<void> {
  const [integration] = await em.execute<unknown[]>(
    'select from integration where organization_id = ? and id = ? for update',
    [organizationId, integrationId],
  );
  // Somebody else was faster.
  if (!integration) throw new NotFoundError('The integration');
  // Then nobody adds a mailbox to them that the next statement would not see.
  await em.execute(
    'select from account where organization_id = ? and integration_id = ? order by id for update',
    [organizationId, integrationId],
  );
  const mailboxes = await em.execute<{ id: string }[]>(
    `select mailbox.id from mailbox
       join account on account.organization_id = mailbox.organization_id and account.id = mailbox.account_id
      where mailbox.organization_id = ? and account.integration_id = ? order by mailbox.id`,
    [organizationId, integrationId],
  );
  for (const { id } of mailboxes) await removeMailbox(em, clock, id);
  const accounts = await em.execute<{ id: string }[]>(
    'select id from account where organization_id = ? and integration_id = ?',
    [organizationId, integrationId],
  );
  // Every process that holds a token of one would go on with it for up to an hour.
  for (const { id: accountId } of accounts) await announceTokensVoid(em, { organizationId, accountId });
  await em.execute(
    `update mailbox set account_id = null where organization_id = ?
       and id in (select value::uuid from json_array_elements_text(?::json))`,
    [organizationId, JSON.stringify(mailboxes.map(({ id }) => id))],
  );
  await em.execute('delete from integration where organization_id = ? and id = ?', [
    organizationId,
    integrationId,
  ]);
}
