import { z } from 'zod';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import type { ListedMail, ListingPage, ListingRequest } from './mail.ts';
import { mailboxPath } from './mail-folders.ts';

/** Microsoft's most; a page of these four properties is some 300 KB. */
const PAGE_SIZE = 1_000;
const PROPERTIES = 'id,internetMessageId,receivedDateTime,isDraft';

const listing = z.object({
  value: z.array(
    z.object({
      id: z.string().min(1),
      internetMessageId: z.string().nullish(),
      receivedDateTime: z.iso.datetime({ offset: true }).nullish(),
      isDraft: z.boolean().nullish(),
    }),
  ),
  '@odata.nextLink': z.string().nullish(),
});

/**
 * See `MailApi.listMail`. What is sorted by must come first in the filter, or Microsoft answers `InefficientFilter`:
 * https://learn.microsoft.com/graph/api/user-list-messages
 */
export async function listMail(
  client: GraphClient,
  scope: GraphScope,
  request: ListingRequest,
): Promise<ListingPage> {
  const target = 'link' in request ? request.link : firstPage(scope, request);
  const json = await client.json(
    { operation: 'message.list', method: 'GET', target, subject: 'FOLDER' },
    scope,
  );
  const parsed = listing.safeParse(json);
  if (!parsed.success) {
    throw new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph listed a folder in an unknown form.', {
      cause: parsed.error,
    });
  }
  const mails = parsed.data.value.map(
    (item): ListedMail => ({
      graphMessageId: item.id,
      internetMessageId: item.internetMessageId ?? null,
      receivedAt: item.receivedDateTime ? new Date(item.receivedDateTime) : null,
      isDraft: item.isDraft === true,
    }),
  );
  return { mails, link: parsed.data['@odata.nextLink'] ?? null };
}

function firstPage(
  scope: GraphScope,
  { folderId, receivedFrom, receivedUntil, idsOnly = false }: Extract<ListingRequest, { receivedFrom: Date }>,
): string {
  const filter = `receivedDateTime ge ${receivedFrom.toISOString()} and receivedDateTime le ${receivedUntil.toISOString()}`;
  const query = [
    `$select=${idsOnly ? 'id' : PROPERTIES}`,
    `$filter=${encodeURIComponent(filter)}`,
    '$orderby=receivedDateTime',
    `$top=${PAGE_SIZE}`,
  ];
  return `${mailboxPath(scope.mailbox)}/mailFolders/${encodeURIComponent(folderId)}/messages?${query.join('&')}`;
}
