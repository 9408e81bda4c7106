import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import type { MailboxAccess } from '../microsoft365/mail.ts';
import type { GraphSubscription, PushApi } from '../microsoft365/push.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';

/*
 * An *orphan* is a subscription that Microsoft has and nobody here knows: what a crash between Microsoft's answer and our
 * commit leaves behind, or an answer that got lost. Only those that call this server are ours to end. They are looked for
 * whenever a mailbox asks again or ends what it asked for, and every night, account by account.
 */

/** What looking for orphans takes. */
export interface OrphanDependencies {
  database: Database;
  push: PushApi;
}

/**
 * Ends the orphans of a mailbox, and those of its subscriptions that were replaced. Gives how many there were. Throws
 * `GraphError`.
 */
export async function removeOrphans(
  { database, push }: OrphanDependencies,
  mailbox: Mailbox,
  notificationUrl: string,
  signal: AbortSignal,
): Promise<number> {
  const access = accessOf(mailbox);
  const listed = (await push.list(access, signal)).filter(({ resource }) => isOf(access, resource));
  if (listed.length === 0) return 0;
  // Listed first, and looked up then: what another process was making meanwhile is known by now, or still being made.
  // Over all organizations: two of them may have connected the same mailbox with the same app registration.
  const [row] = await forkAcrossOrganizations(database).execute<{ known: string[]; is_making: boolean }[]>(
    `select coalesce(json_agg(graph_subscription_id) filter (where replaced_at is null or mailbox_id <> ?), '[]') as known,
       coalesce(bool_or(state = 'CREATING' and mailbox_id <> ? and replaced_at is null), false) as is_making
     from push_subscription
     where graph_subscription_id in (select value from json_array_elements_text(?::json))
       or (state = 'CREATING' and notification_url = ? and mailbox_id in
         (select id from mailbox where email_address = ?))`,
    [
      mailbox.id,
      mailbox.id,
      JSON.stringify(listed.map(({ id }) => id)),
      notificationUrl,
      mailbox.emailAddress,
    ],
  );
  if (!row || row.is_making) return 0;
  const known = new Set(row.known);
  return end(
    push,
    access,
    listed.filter(({ id, notificationUrl: url }) => url === notificationUrl && !known.has(id)),
    signal,
  );
}

/** A mailbox whose subscription is being made. */
interface MadeNow {
  emailAddress: string;
  microsoftUserId: string | null;
  /** Whether the account that is looked through has a mailbox of this address. */
  isOfAccount: boolean;
}

/**
 * Ends the orphans of an account, also of mailboxes that want no subscription any more or were removed: with one listing,
 * since an application's is the whole tenant's. `mailbox` is any of the account's. Gives how many there were. Throws
 * `GraphError`.
 */
export async function removeAccountOrphans(
  { database, push }: OrphanDependencies,
  mailbox: Mailbox,
  notificationUrl: string,
  signal: AbortSignal,
): Promise<number> {
  const access = accessOf(mailbox);
  const ours = (await push.list(access, signal)).filter(
    ({ notificationUrl: url }) => url === notificationUrl,
  );
  if (ours.length === 0) return 0;
  // Listed first, and over all organizations: see above. What was replaced, Microsoft was asked to end before.
  const [row] = await forkAcrossOrganizations(database).execute<{ known: string[]; made_now: MadeNow[] }[]>(
    `select (
         select coalesce(json_agg(graph_subscription_id), '[]') from push_subscription
          where replaced_at is null and graph_subscription_id in (select value from json_array_elements_text(?::json))
       ) as known, (
         select coalesce(json_agg(json_build_object('emailAddress', email_address, 'microsoftUserId', microsoft_user_id,
             'isOfAccount', email_address in (select email_address from mailbox as own where own.account_id = ?))), '[]')
           from push_subscription join mailbox on mailbox.id = push_subscription.mailbox_id
          where state = 'CREATING' and replaced_at is null and notification_url = ?
       ) as made_now`,
    [JSON.stringify(ours.map(({ id }) => id)), access.accountId, notificationUrl],
  );
  if (!row) return 0;
  const known = new Set(row.known);
  /** Known to nobody yet. A person's own are named in ways that do not tell whose they are. */
  const isMadeNow = ({ resource }: GraphSubscription) =>
    row.made_now.some((made) =>
      access.kind === 'TENANT' ? isOf({ kind: 'TENANT', ...made }, resource) : made.isOfAccount,
    );
  return end(
    push,
    access,
    ours.filter((subscription) => !known.has(subscription.id) && !isMadeNow(subscription)),
    signal,
  );
}

async function end(
  push: PushApi,
  access: MailboxAccess,
  orphans: readonly GraphSubscription[],
  signal: AbortSignal,
): Promise<number> {
  for (const { id } of orphans) await push.remove(access, id, signal);
  return orphans.length;
}

/**
 * Whether a subscription is for the mailbox. A person's token lists that person's own; an application's lists those of the
 * whole tenant, and one that is being made for another mailbox at this moment is known to nobody yet.
 */
function isOf(
  { kind, emailAddress, microsoftUserId }: Pick<MailboxAccess, 'kind' | 'emailAddress' | 'microsoftUserId'>,
  resource: string,
): boolean {
  if (kind !== 'TENANT') return true;
  const [, user] = /^\/?users(?:\/|\(')([^/']+)/i.exec(resource) ?? [];
  if (user === undefined) return false;
  const name = user.replaceAll(/%40/gi, '@').toLowerCase();
  return name === emailAddress.toLowerCase() || name === microsoftUserId?.toLowerCase();
}
