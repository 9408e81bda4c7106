import { z } from 'zod';
import { type Clock, MINUTE } from '../platform/clock.ts';
import { type BatchOutcome, type BatchPart, MOST_PARTS, runBatch } from './graph-batch.ts';
import type { GraphCall, GraphClient, GraphScope } from './graph-client.ts';
import { DeltaExpiredError, GraphError } from './graph-error.ts';
import { postponementOf } from './graph-postpone.ts';
import { DEFAULT_BUDGET, type RetryBudget } from './graph-retry.ts';
import type { DeltaPage, DeltaRequest, IncomingMail } from './mail.ts';
import { mailboxPath } from './mail-folders.ts';
import { MAIL_PROPERTIES, readId, readMail } from './mail-reading.ts';

/** Mails in a page, then what is tried when Microsoft fails at a whole page: one damaged mail among them is enough. */
const PAGE_SIZES = [100, 25, 5, 1] as const;
/** A smaller page is not a repetition but another question; it needs less patience. */
const SMALLER_PAGE_BUDGET: RetryBudget = { attempts: 2, milliseconds: MINUTE };
/** Marks the cursors of rounds that list ids only. Links begin with `http`, so the two cannot be confused. */
const ONE_BY_ONE = 'one-by-one ';
/** A link into the mailbox of whoever follows it. */
const OWN_MAILBOX = /^(?:one-by-one )?https?:\/\/[^/]+(?:\/[^?]*)?\/(?:v1\.0|beta)\/me\//i;

const page = z.object({
  value: z.array(z.unknown()),
  '@odata.nextLink': z.string().nullish(),
  '@odata.deltaLink': z.string().nullish(),
});
const removed = z.object({ id: z.string().min(1), '@removed': z.unknown() });

export interface DeltaDeps {
  client: GraphClient;
  clock: Clock;
  random(): number;
}

/** See `MailApi.readDelta`. https://learn.microsoft.com/graph/delta-query-messages */
export async function readDelta(
  deps: DeltaDeps,
  scope: GraphScope,
  request: DeltaRequest,
): Promise<DeltaPage> {
  const { target, isOneByOne } = targetOf(scope, request);
  const answer = await readPage(deps, scope, target);
  const link = answer['@odata.nextLink'] ?? answer['@odata.deltaLink'];
  if (!link) {
    throw new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph answered a delta query without a link.');
  }
  const removedIds: string[] = [];
  const items: unknown[] = [];
  for (const item of answer.value) {
    const gone = removed.safeParse(item);
    if (gone.success && gone.data['@removed'] !== undefined) removedIds.push(gone.data.id);
    else items.push(item);
  }
  return {
    ...(isOneByOne ? await fetchMails(deps, scope, idsOf(items)) : readAll(deps.clock, items)),
    removedIds,
    cursor: isOneByOne ? ONE_BY_ONE + link : link,
    isLastPage: !answer['@odata.nextLink'],
  };
}

function targetOf(scope: GraphScope, request: DeltaRequest): { target: string; isOneByOne: boolean } {
  if ('cursor' in request) {
    const isOneByOne = request.cursor.startsWith(ONE_BY_ONE);
    // The mailbox was the account's own before, and is now read by another: `/me` would be that one's.
    if (scope.mailbox.kind !== 'PRIMARY' && OWN_MAILBOX.test(request.cursor)) throw new DeltaExpiredError();
    return { target: isOneByOne ? request.cursor.slice(ONE_BY_ONE.length) : request.cursor, isOneByOne };
  }
  const isOneByOne = request.oneByOne === true;
  const query = [
    `$select=${isOneByOne ? 'id' : MAIL_PROPERTIES.join(',')}`,
    'changeType=created',
    `$filter=${encodeURIComponent(`receivedDateTime ge ${request.receivedFrom.toISOString()}`)}`,
  ];
  const folder = `${mailboxPath(scope.mailbox)}/mailFolders/${encodeURIComponent(request.folderId)}`;
  return { target: `${folder}/messages/delta?${query.join('&')}`, isOneByOne };
}

/**
 * Reads a page, or as much of it as Microsoft can give. A mail that is damaged at Microsoft makes the whole page answer
 * 500; smaller pages bring in those before it. When it stands first, delta has no way around it: links cannot be moved by
 * hand. That ends in `PAGE_UNREADABLE`, and the caller goes round with `oneByOne`.
 */
async function readPage({ client }: DeltaDeps, scope: GraphScope, target: string) {
  let failure: GraphError | null = null;
  for (const size of PAGE_SIZES) {
    try {
      const json = await client.json(
        {
          operation: 'message.delta',
          method: 'GET',
          target,
          subject: 'FOLDER',
          preferences: [`odata.maxpagesize=${size}`],
          budget: failure === null ? DEFAULT_BUDGET : SMALLER_PAGE_BUDGET,
        },
        scope,
      );
      const parsed = page.safeParse(json);
      if (parsed.success) return parsed.data;
      throw new GraphError(
        'UNEXPECTED_ANSWER',
        'Microsoft Graph answered a delta query in an unknown form.',
        { cause: parsed.error },
      );
    } catch (error) {
      if (!(error instanceof GraphError) || !mayBeThePage(error)) throw error;
      failure = error;
    }
  }
  // Silence even for a single mail is an outage.
  if (failure?.code === 'GRAPH_TIMEOUT') throw failure;
  throw new GraphError(
    'PAGE_UNREADABLE',
    'Microsoft 365 cannot give out the next mail of the folder.',
    failure === null
      ? {}
      : {
          status: failure.status,
          microsoftCode: failure.microsoftCode,
          requestId: failure.requestId,
          cause: failure,
        },
  );
}

/** 504 and a deadline: the page took too long to put together or to send. A 503 has nothing to do with the page. */
export function mayBeThePage({ status, code }: GraphError): boolean {
  return status === 500 || status === 504 || code === 'ANSWER_TOO_LARGE' || code === 'GRAPH_TIMEOUT';
}

/** Reads each mail of a page; what cannot be read stays alone. */
export function readAll(clock: Clock, items: readonly unknown[]): Pick<DeltaPage, 'mails' | 'unreadable'> {
  const mails: IncomingMail[] = [];
  const unreadable: DeltaPage['unreadable'] = [];
  for (const item of items) {
    try {
      mails.push(readMail(item));
    } catch (error) {
      unreadable.push({ graphMessageId: readId(item), problem: oddMail(error).toProblem(clock.now()) });
    }
  }
  return { mails, unreadable };
}

/** The ids of a page, of those that have one. */
export function idsOf(items: readonly unknown[]): string[] {
  return items.map(readId).filter((id) => id !== null);
}

/**
 * The mails of these ids, see `MailApi.getMails`. One that Microsoft cannot give out stays alone; one that is gone
 * meanwhile is no loss.
 */
export async function fetchMails(
  deps: DeltaDeps,
  scope: GraphScope,
  ids: readonly string[],
): Promise<Pick<DeltaPage, 'mails' | 'unreadable'>> {
  const { clock } = deps;
  const found: unknown[] = [];
  const unreadable: DeltaPage['unreadable'] = [];
  const outcomes = await fetchAll(deps, scope, ids);
  for (const [index, outcome] of outcomes.entries()) {
    if ('json' in outcome) found.push(outcome.json);
    else if (mayBeTheMail(outcome.error) || isRefusedAlone(outcomes, index)) {
      unreadable.push({
        graphMessageId: ids[index] ?? null,
        problem: outcome.error.toProblem(clock.now()),
      });
    } else if (outcome.error.code !== 'ITEM_NOT_FOUND') throw outcome.error;
  }
  const read = readAll(clock, found);
  return { mails: read.mails, unreadable: [...unreadable, ...read.unreadable] };
}

function mayBeTheMail({ status, code }: GraphError): boolean {
  return status === 500 || code === 'ANSWER_TOO_LARGE';
}

/** Whether Microsoft gave out others of the same request: then what it refused is about this mail, and not the mailbox. */
function isRefusedAlone(outcomes: readonly BatchOutcome[], index: number): boolean {
  const outcome = outcomes[index];
  if (!outcome || 'json' in outcome || outcome.error.code === 'ITEM_NOT_FOUND') return false;
  if (postponementOf(outcome.error) !== null) return false;
  const start = index - (index % MOST_PARTS);
  return outcomes.slice(start, start + MOST_PARTS).some((other) => 'json' in other);
}

/** Twenty mails in a request; each in its own when twenty are more than can be held. */
async function fetchAll(
  { client, clock, random }: DeltaDeps,
  scope: GraphScope,
  ids: readonly string[],
): Promise<BatchOutcome[]> {
  const parts: BatchPart[] = ids.map((id) => ({ method: 'GET', path: mailPath(scope, id), subject: 'ITEM' }));
  try {
    return await runBatch(client, { clock, random }, 'message.get', parts, scope);
  } catch (error) {
    if (!(error instanceof GraphError) || error.code !== 'ANSWER_TOO_LARGE') throw error;
  }
  const outcomes: BatchOutcome[] = [];
  for (const { path } of parts) {
    try {
      const call: GraphCall = { operation: 'message.get', method: 'GET', target: path, subject: 'ITEM' };
      outcomes.push({ json: await client.json(call, scope) });
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      outcomes.push({ error });
    }
  }
  return outcomes;
}

/** Where a mail is read from, with everything that is asked for. */
export function mailPath({ mailbox }: Pick<GraphScope, 'mailbox'>, graphMessageId: string): string {
  const id = encodeURIComponent(graphMessageId);
  return `${mailboxPath(mailbox)}/messages/${id}?$select=${MAIL_PROPERTIES.join(',')},parentFolderId`;
}

/** The error of a mail that came, but in a form that cannot be read. */
export function oddMail(cause: unknown): GraphError {
  return new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph gave out the mail in an unknown form.', {
    cause,
  });
}
