import { z } from 'zod';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import { PATIENT_BUDGET } from './graph-retry.ts';
import { parse } from './mail-copies.ts';
import { mailboxPath } from './mail-folders.ts';
import type { MailboxAddresses } from './mail-sending.ts';

/** Any of these lets an app read `proxyAddresses` of others; `User.ReadBasic.All` shows names only. */
const DIRECTORY_PERMISSIONS: ReadonlySet<string> = new Set([
  'user.read.all',
  'user.readwrite.all',
  'directory.read.all',
  'directory.readwrite.all',
]);
/** Exchange allows 400 of them. */
const MOST_ALIASES = 400;

const userSchema = z.object({
  mail: z.string().nullish(),
  userPrincipalName: z.string().nullish(),
  displayName: z.string().nullish(),
  proxyAddresses: z.array(z.string()).nullish(),
});

/** See `MailSending.readAddresses`. https://learn.microsoft.com/graph/api/user-get */
export async function readAddresses(
  client: GraphClient,
  scope: GraphScope,
  permissions: readonly string[],
): Promise<MailboxAddresses | null> {
  const isOwn = scope.mailbox.kind === 'PRIMARY';
  if (!isOwn && !permissions.some((name) => DIRECTORY_PERMISSIONS.has(name.toLowerCase()))) return null;
  const target = `${mailboxPath(scope.mailbox)}?$select=mail,userPrincipalName,displayName,proxyAddresses`;
  let json: unknown;
  try {
    json = await client.json(
      {
        operation: 'mailbox.addresses',
        method: 'GET',
        target,
        subject: 'MAILBOX',
        isDirectory: true,
        budget: PATIENT_BUDGET,
      },
      scope,
    );
  } catch (error) {
    // The account may have lost the permission since, or the mailbox is no user of the directory (a group, a contact).
    const isRefused =
      error instanceof GraphError &&
      (error.code === 'MAILBOX_ACCESS_DENIED' || error.code === 'MAILBOX_NOT_FOUND');
    if (!isOwn && isRefused) return null;
    throw error;
  }
  return toAddresses(parse(userSchema, json));
}

/**
 * `proxyAddresses` hold addresses of many kinds; of those of mail the primary one is written `SMTP:`, the others `smtp:`.
 * https://learn.microsoft.com/graph/api/resources/user#properties
 */
function toAddresses({
  mail,
  userPrincipalName,
  displayName,
  proxyAddresses,
}: z.infer<typeof userSchema>): MailboxAddresses {
  const proxies = (proxyAddresses ?? []).filter((proxy) => /^smtp:/i.test(proxy));
  const marked = proxies.find((proxy) => proxy.startsWith('SMTP:'));
  const primary = (mail || marked?.slice(5) || userPrincipalName || '').trim().toLowerCase() || null;
  const aliases = new Set(proxies.map((proxy) => proxy.slice(5).trim().toLowerCase()));
  aliases.delete('');
  if (primary !== null) aliases.delete(primary);
  return { primary, aliases: [...aliases].sort().slice(0, MOST_ALIASES), displayName: displayName || null };
}
