/* Outgoing mail as it lies in the mailbox: drafts, and what was sent. */
import { z } from 'zod';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import type { MailAddress } from './mail.ts';
import { OUTBOUND_MESSAGE_PROPERTY } from './mail-draft.ts';
import { mailboxPath } from './mail-folders.ts';
import type { OutgoingCopy } from './mail-sending.ts';

/** Mails that carry one id: one, or two when an answer was lost at the wrong moment. */
const MOST_COPIES = 10;
/** Mailboxes whose folder ids are kept in memory. */
const MOST_MAILBOXES = 5_000;
export const COPY_PROPERTIES =
  'id,internetMessageId,conversationId,isDraft,parentFolderId,from,sender,sentDateTime';

const person = z.object({
  emailAddress: z.object({ address: z.string().nullish(), name: z.string().nullish() }).nullish(),
});
const copySchema = z.object({
  id: z.string().min(1),
  internetMessageId: z.string().nullish(),
  conversationId: z.string().nullish(),
  isDraft: z.boolean(),
  parentFolderId: z.string().nullish(),
  from: person.nullish(),
  sender: person.nullish(),
  sentDateTime: z.string().nullish(),
});
const copyPage = z.object({ value: z.array(copySchema) });
const folderSchema = z.object({ id: z.string().min(1) });

/** Null: the mailbox has none. */
interface FolderIds {
  drafts: string | null;
  outbox: string | null;
  sentItems: string | null;
}

/** The ids of the folders Drafts, Outbox and Sent Items, which never change, per mailbox. */
export interface OutgoingFolders {
  of(client: GraphClient, scope: GraphScope): Promise<FolderIds>;
}

/** Keeps the ids in memory. */
export function createOutgoingFolders(): OutgoingFolders {
  const known = new Map<string, FolderIds>();
  return {
    async of(client, scope) {
      const { organizationId, accountId } = scope.mailbox;
      const key = `${organizationId} ${accountId} ${mailboxPath(scope.mailbox)} ${scope.mailbox.emailAddress}`;
      const ids = known.get(key);
      if (ids !== undefined) return ids;
      const [drafts, outbox, sentItems] = await Promise.all([
        readFolderId(client, scope, 'drafts'),
        readFolderId(client, scope, 'outbox'),
        readFolderId(client, scope, 'sentitems'),
      ]);
      const found = { drafts, outbox, sentItems };
      const [oldest] = known.keys();
      if (known.size >= MOST_MAILBOXES && oldest !== undefined) known.delete(oldest);
      if (drafts !== null && outbox !== null && sentItems !== null) known.set(key, found);
      return found;
    },
  };
}

/** See `MailSending.findByOutboundMessageId`. https://learn.microsoft.com/graph/api/singlevaluelegacyextendedproperty-get */
export async function findCopies(
  client: GraphClient,
  folders: OutgoingFolders,
  scope: GraphScope,
  outboundMessageId: string,
): Promise<OutgoingCopy[]> {
  const value = outboundMessageId.replaceAll("'", "''");
  const filter = `singleValueExtendedProperties/Any(ep: ep/id eq '${OUTBOUND_MESSAGE_PROPERTY}' and ep/value eq '${value}')`;
  const query = `$filter=${encodeURIComponent(filter)}&$select=${COPY_PROPERTIES}&$top=${MOST_COPIES}`;
  const target = `${mailboxPath(scope.mailbox)}/messages?${query}`;
  const json = await client.json(
    { operation: 'message.find', method: 'GET', target, subject: 'MAILBOX' },
    scope,
  );
  const { value: found } = parse(copyPage, json);
  if (found.length === 0) return [];
  const ids = await folders.of(client, scope);
  return found.slice(0, MOST_COPIES).map((copy) => toCopy(copy, ids));
}

/** See `MailSending.getCopy`. */
export async function getCopy(
  client: GraphClient,
  folders: OutgoingFolders,
  scope: GraphScope,
  graphMessageId: string,
): Promise<OutgoingCopy | null> {
  const json = await readOrNull(
    client,
    scope,
    `${messagePath(scope, graphMessageId)}?$select=${COPY_PROPERTIES}`,
  );
  return json === null ? null : readCopy(client, folders, scope, json);
}

/** The copy that an answer of Graph describes. Throws `GraphError` `UNEXPECTED_ANSWER`. */
export async function readCopy(
  client: GraphClient,
  folders: OutgoingFolders,
  scope: GraphScope,
  json: unknown,
): Promise<OutgoingCopy> {
  const copy = parse(copySchema, json);
  return toCopy(copy, await folders.of(client, scope));
}

/** The path of a mail below the version. */
export function messagePath({ mailbox }: GraphScope, graphMessageId: string): string {
  return `${mailboxPath(mailbox)}/messages/${encodeURIComponent(graphMessageId)}`;
}

/** What Graph has at `target`, a mail or something of it; null when the mail does not exist. */
export async function readOrNull(client: GraphClient, scope: GraphScope, target: string): Promise<unknown> {
  try {
    return await client.json({ operation: 'message.get', method: 'GET', target, subject: 'ITEM' }, scope);
  } catch (error) {
    if (error instanceof GraphError && error.code === 'ITEM_NOT_FOUND') return null;
    throw error;
  }
}

/** Throws `GraphError` `UNEXPECTED_ANSWER`, after which something may have been done. */
export function parse<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new GraphError(
    'UNEXPECTED_ANSWER',
    'Microsoft Graph answered about an outgoing mail in an unknown form.',
    { cause: parsed.error },
  );
}

async function readFolderId(client: GraphClient, scope: GraphScope, name: string): Promise<string | null> {
  const target = `${mailboxPath(scope.mailbox)}/mailFolders/${name}?$select=id`;
  try {
    const json = await client.json(
      { operation: 'folder.get', method: 'GET', target, subject: 'FOLDER' },
      scope,
    );
    return parse(folderSchema, json).id;
  } catch (error) {
    if (error instanceof GraphError && error.code === 'FOLDER_NOT_FOUND') return null;
    throw error;
  }
}

function toCopy(
  { id, parentFolderId, isDraft, ...copy }: z.infer<typeof copySchema>,
  ids: FolderIds,
): OutgoingCopy {
  const sentAt = copy.sentDateTime ? new Date(copy.sentDateTime) : null;
  const isIn = (folderId: string | null) => folderId !== null && folderId === parentFolderId;
  return {
    graphMessageId: id,
    internetMessageId: copy.internetMessageId || null,
    conversationId: copy.conversationId || null,
    isDraft,
    folder: isIn(ids.drafts)
      ? 'DRAFTS'
      : isIn(ids.outbox)
        ? 'OUTBOX'
        : isIn(ids.sentItems)
          ? 'SENT_ITEMS'
          : 'OTHER',
    from: toAddress(copy.from),
    sender: toAddress(copy.sender),
    // Drafts have one as well: when they were made.
    sentAt: isDraft || sentAt === null || Number.isNaN(sentAt.getTime()) ? null : sentAt,
  };
}

function toAddress(found: z.infer<typeof person> | null | undefined): MailAddress | null {
  const address = found?.emailAddress?.address;
  return address ? { name: found?.emailAddress?.name || null, emailAddress: address.toLowerCase() } : null;
}
