import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import type { MailboxAccess } from '../microsoft365/mail.ts';
import type { PushApi } from '../microsoft365/push.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';

/**
 * Ends the subscriptions at Microsoft that nobody here knows any more, and those of this mailbox that were replaced: what a
 * crash between Microsoft's answer and our commit leaves behind. Only those that call this server are ours to end. Gives
 * how many there were. Throws `GraphError`.
 */
export async function removeOrphans(
  { database, push }: { database: Database; push: PushApi },
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
  const orphans = listed.filter(({ id, notificationUrl: url }) => url === notificationUrl && !known.has(id));
  for (const { id } of orphans) await push.remove(access, id, signal);
  return orphans.length;
}

/**
 * Whether a subscription is for the mailbox. A person's token lists that person's own; an application's lists those of the
 * whole tenant, and one that is being made for another mailbox at this moment is known to nobody yet.
 */
function isOf({ kind, emailAddress, microsoftUserId }: MailboxAccess, resource: string): boolean {
  if (kind !== 'TENANT') return true;
  const [, user] = /^\/?users(?:\/|\(')([^/']+)/i.exec(resource) ?? [];
  if (user === undefined) return false;
  const name = user.replaceAll(/%40/gi, '@').toLowerCase();
  return name === emailAddress.toLowerCase() || name === microsoftUserId?.toLowerCase();
}
