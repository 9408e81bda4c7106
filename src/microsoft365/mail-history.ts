import { z } from 'zod';
import { MINUTE } from '../platform/clock.ts';
import type { GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import { DEFAULT_BUDGET, type RetryBudget } from './graph-retry.ts';
import type { HistoryPage, HistoryRange, HistoryRequest } from './mail.ts';
import { type DeltaDeps, fetchMails, idsOf, mayBeThePage, readAll } from './mail-delta.ts';
import { mailboxPath } from './mail-folders.ts';
import { MAIL_PROPERTIES } from './mail-reading.ts';

/** Mails in a page, then what is tried when Microsoft fails at a whole page: one damaged mail among them is enough. */
const PAGE_SIZES = [100, 25, 5, 1] as const;
/** A smaller page is not a repetition but another question; it needs less patience. */
const SMALLER_PAGE_BUDGET: RetryBudget = { attempts: 2, milliseconds: MINUTE };
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

/** A page, or as much of it as Microsoft can give: see `readDelta`. A link knows its own size and cannot be made smaller. */
async function readPage(
  { client }: DeltaDeps,
  scope: GraphScope,
  request: HistoryRequest,
  isOneByOne: boolean,
): Promise<z.infer<typeof page>> {
  let failure: GraphError | null = null;
  const [largest] = PAGE_SIZES;
  for (const size of 'link' in request || isOneByOne ? [largest] : PAGE_SIZES) {
    try {
      const target = targetOf(scope, request, size, isOneByOne);
      const budget = failure === null ? DEFAULT_BUDGET : SMALLER_PAGE_BUDGET;
      const json = await client.json(
        { operation: 'message.history', method: 'GET', target, subject: 'FOLDER', budget },
        scope,
      );
      const parsed = page.safeParse(json);
      if (parsed.success) return parsed.data;
      throw new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph listed a folder in an unknown form.', {
        cause: parsed.error,
      });
    } catch (error) {
      if (!(error instanceof GraphError) || !mayBeThePage(error)) throw error;
      failure = error;
    }
  }
  // Silence even for a single mail is an outage; and ids hold no mail that could be damaged.
  if (failure !== null && (isOneByOne || failure.code === 'GRAPH_TIMEOUT')) throw failure;
  throw new GraphError('PAGE_UNREADABLE', 'Microsoft 365 cannot give out the next mail of the folder.', {
    status: failure?.status ?? null,
    microsoftCode: failure?.microsoftCode ?? null,
    requestId: failure?.requestId ?? null,
    cause: failure,
  });
}

function targetOf(scope: GraphScope, request: HistoryRequest, size: number, isOneByOne: boolean): string {
  if ('link' in request) {
    return isOneByOne ? request.link.slice(ONE_BY_ONE.length) : request.link;
  }
  const select = isOneByOne ? 'id' : MAIL_PROPERTIES.join(',');
  return `${pathOf(scope, request)}?$select=${select}&${filterOf(request)}&$orderby=receivedDateTime&$top=${size}`;
}

function pathOf({ mailbox }: GraphScope, { folderId }: HistoryRange): string {
  return `${mailboxPath(mailbox)}/mailFolders/${encodeURIComponent(folderId)}/messages`;
}

function filterOf({ receivedFrom, receivedBefore }: HistoryRange): string {
  const filter = `receivedDateTime ge ${receivedFrom.toISOString()} and receivedDateTime lt ${receivedBefore.toISOString()}`;
  return `$filter=${encodeURIComponent(filter)}`;
}
