import { z } from 'zod';
import type { GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import type { HistoryPage, HistoryRange, HistoryRequest } from './mail.ts';
import { type DeltaDeps, fetchMails, idsOf, mayBeThePage, readAll } from './mail-delta.ts';
import { mailboxPath } from './mail-folders.ts';
import { MAIL_PROPERTIES } from './mail-reading.ts';

/** Each with its body: some megabytes in memory. */
const PAGE_SIZE = 100;
/** Marks the links of listings of ids only. Links begin with `http`, so the two cannot be confused. */
const ONE_BY_ONE = 'one-by-one ';

const page = z.object({ value: z.array(z.unknown()), '@odata.nextLink': z.string().nullish() });
const counted = z.object({ '@odata.count': z.number().int().nonnegative() });

/**
 * See `MailApi.readHistory`. What is sorted by must come first in the filter, or Microsoft answers `InefficientFilter`:
 * https://learn.microsoft.com/graph/api/user-list-messages
 */
export async function readHistory(
  deps: DeltaDeps,
  scope: GraphScope,
  request: HistoryRequest,
): Promise<HistoryPage> {
  const isOneByOne = 'link' in request ? request.link.startsWith(ONE_BY_ONE) : request.oneByOne === true;
  const answer = await readPage(deps, scope, request, isOneByOne);
  const link = answer['@odata.nextLink'] ?? null;
  return {
    ...(isOneByOne ? await fetchMails(deps, scope, idsOf(answer.value)) : readAll(deps.clock, answer.value)),
    link: link !== null && isOneByOne ? ONE_BY_ONE + link : link,
  };
}

/**
 * See `MailApi.countMail`. `$count` counts what meets the filter, whatever the page holds:
 * https://learn.microsoft.com/graph/query-parameters#count
 */
export async function countMail(
  { client }: Pick<DeltaDeps, 'client'>,
  scope: GraphScope,
  range: HistoryRange,
): Promise<number> {
  const target = `${pathOf(scope, range)}?$select=id&${filterOf(range)}&$top=1&$count=true`;
  const json = await client.json(
    { operation: 'message.count', method: 'GET', target, subject: 'FOLDER' },
    scope,
  );
  const parsed = counted.safeParse(json);
  if (parsed.success) return parsed.data['@odata.count'];
  throw new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph did not say how much mail a folder holds.', {
    cause: parsed.error,
  });
}

/** A mail that is damaged at Microsoft fails the whole page: then it is for the caller to read the page mail by mail. */
async function readPage(
  { client }: DeltaDeps,
  scope: GraphScope,
  request: HistoryRequest,
  isOneByOne: boolean,
): Promise<z.infer<typeof page>> {
  const target = targetOf(scope, request, isOneByOne);
  let json: unknown;
  try {
    json = await client.json(
      { operation: 'message.history', method: 'GET', target, subject: 'FOLDER' },
      scope,
    );
  } catch (error) {
    // Ids hold no mail that could be damaged.
    if (isOneByOne || !(error instanceof GraphError) || !mayBeThePage(error)) throw error;
    const { status, microsoftCode, requestId } = error;
    const message = 'Microsoft 365 cannot give out a page of the folder.';
    throw new GraphError('PAGE_UNREADABLE', message, { status, microsoftCode, requestId, cause: error });
  }
  const parsed = page.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph listed a folder in an unknown form.', {
    cause: parsed.error,
  });
}

function targetOf(scope: GraphScope, request: HistoryRequest, isOneByOne: boolean): string {
  if ('link' in request) {
    return isOneByOne ? request.link.slice(ONE_BY_ONE.length) : request.link;
  }
  const select = isOneByOne ? 'id' : MAIL_PROPERTIES.join(',');
  return `${pathOf(scope, request)}?$select=${select}&${filterOf(request)}&$orderby=receivedDateTime&$top=${PAGE_SIZE}`;
}

function pathOf({ mailbox }: GraphScope, { folderId }: HistoryRange): string {
  return `${mailboxPath(mailbox)}/mailFolders/${encodeURIComponent(folderId)}/messages`;
}

function filterOf({ receivedFrom, receivedBefore }: HistoryRange): string {
  const filter = `receivedDateTime ge ${receivedFrom.toISOString()} and receivedDateTime lt ${receivedBefore.toISOString()}`;
  return `$filter=${encodeURIComponent(filter)}`;
}
