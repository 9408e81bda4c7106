import { NotFoundError } from '../errors.ts';
import { enqueueMany } from '../jobs/enqueue-many.ts';
import { Account } from '../microsoft365/account.entity.ts';
import { TENANT_REMEDIES } from '../microsoft365/account-refusals.ts';
import { applyAccountSignal } from '../microsoft365/account-status.ts';
import type { Microsoft365 } from '../microsoft365/create-microsoft365.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import { lockTokens } from '../microsoft365/token-lock.ts';
import { announceTokensVoid } from '../microsoft365/token-watch.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { recordEvents } from '../realtime/record.ts';
import { endSubscriptions } from './end-subscriptions.ts';
import { managePushJob } from './push.jobs.ts';

export interface DisconnectAccountDeps {
  microsoft365: Microsoft365;
  clock: Clock;
  logger: Logger;
}

/**
 * Disconnects an account: its tokens are removed here, so that nothing is read or sent through it any more, whichever process
 * asks; incoming and outgoing mail of its mailboxes is switched off; its subscriptions at Microsoft are ended as far as it answers. The
 * mailboxes keep their other settings, and tickets, messages and files stay. Who signs in with it again connects it again.
 * Idempotent. Throws `NotFoundError`.
 */
export async function disconnectAccount(
  em: EntityManager,
  { microsoft365, clock, logger }: DisconnectAccountDeps,
  organizationId: string,
  accountId: string,
): Promise<Account> {
  const known = await em.findOne(Account, { id: accountId });
  if (!known) throw new NotFoundError('The account');
  if (known.status === 'DISCONNECTED') return known;
  // While there still are tokens to do it with.
  await endSubscriptions(em.fork(), microsoft365.push, { mailbox: { account: accountId } });
  await em.fork().transactional((inner) => removeTokens(inner, organizationId, accountId, clock.now()));
  microsoft365.tokens.forget({ organizationId, accountId });
  logger.info({ organizationId, accountId }, 'an account was disconnected');
  return await em.findOneOrFail(Account, { id: accountId }, { refresh: true });
}

async function removeTokens(
  em: EntityManager,
  organizationId: string,
  accountId: string,
  now: Date,
): Promise<void> {
  // First of all: a refresh under way would store its tokens after ours are gone.
  await lockTokens(em, accountId);
  const account = await em.findOne(Account, { id: accountId });
  if (!account) throw new NotFoundError('The account');
  const mailboxes = await switchOff(em, organizationId, accountId, now);
  account.sealedTokenCache = '';
  const problem = new GraphError('ACCOUNT_DISCONNECTED', 'The account was disconnected.').toProblem(now);
  // Nobody signs in to a tenant.
  if (account.kind === 'TENANT') problem.remedy = TENANT_REMEDIES['ACCOUNT_DISCONNECTED'] ?? problem.remedy;
  await applyAccountSignal(em, account, { kind: 'DISCONNECTED', problem }, now);
  await announceTokensVoid(em, { organizationId, accountId });
  await enqueueMany(
    em,
    managePushJob,
    mailboxes.map(({ id: mailboxId }) => ({ organizationId, mailboxId })),
  );
  await recordEvents(
    em,
    organizationId,
    mailboxes.map(({ id: mailboxId }) => ({ type: 'sync-status.changed' as const, mailboxId })),
  );
  const senders = await switchSendingOff(em, organizationId, accountId, now);
  await recordEvents(
    em,
    organizationId,
    senders.map(({ id: mailboxId }) => ({ type: 'mailbox.changed' as const, mailboxId })),
  );
}

/** What is queued to be sent waits, and says why. */
async function switchSendingOff(
  em: EntityManager,
  organizationId: string,
  accountId: string,
  now: Date,
): Promise<{ id: string }[]> {
  return await em.execute<{ id: string }[]>(
    `update mailbox set outgoing_enabled = false, updated_at = ?
      where organization_id = ? and id in (select id from mailbox
        where organization_id = ? and account_id = ? and outgoing_enabled order by id for no key update)
      returning id`,
    [now, organizationId, organizationId, accountId],
  );
}

/** A run under way stores nothing more, since incoming mail is off; one that waits is ended here. */
async function switchOff(
  em: EntityManager,
  organizationId: string,
  accountId: string,
  now: Date,
): Promise<{ id: string }[]> {
  const mailboxes = await em.execute<{ id: string }[]>(
    `select id from mailbox where organization_id = ? and account_id = ? and incoming_enabled
      order by id for no key update`,
    [organizationId, accountId],
  );
  const ofThese = [organizationId, JSON.stringify(mailboxes.map(({ id }) => id))];
  await em.execute(
    `update mailbox set incoming_enabled = false, settings_version = settings_version + 1, updated_at = ?
      where organization_id = ? and id in (select value::uuid from json_array_elements_text(?::json))`,
    [now, ...ofThese],
  );
  await em.execute(
    `update sync_run set state = 'INTERRUPTED', finished_at = ?, updated_at = ?
      where organization_id = ? and state = 'QUEUED'
        and mailbox_id in (select value::uuid from json_array_elements_text(?::json))`,
    [now, now, ...ofThese],
  );
  await em.execute(
    `update sync_state set next_poll_at = null, resumes_at = null
      where organization_id = ? and mailbox_id in (select value::uuid from json_array_elements_text(?::json))`,
    ofThese,
  );
  return mailboxes;
}
