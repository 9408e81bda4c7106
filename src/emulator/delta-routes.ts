import { Hono } from 'hono';
import { shownEndOfLog } from './change-log.ts';
import { type DeltaItem, type DeltaPage, deltaPage, syncStateNotFound } from './delta.ts';
import { type DeltaToken, readDeltaToken, writeDeltaToken } from './delta-token.ts';
import { linkUrl } from './links.ts';
import { openMailbox } from './mail-access.ts';
import type { Folder } from './mailbox.ts';
import { folderOf } from './mailbox-folders.ts';
import { assertReadable } from './message-routes.ts';
import { isMessageProperty, messageJson, shownId } from './message-view.ts';
import { badQuery, readMessageQuery } from './odata-query.ts';
import type { Preferences } from './prefer.ts';
import { CHANGEABLE_PROPERTIES, noQuirks, oddly, type Quirks } from './quirks.ts';
import type { GraphEnv, World } from './world.ts';

/** `GET /mailFolders/{id}/messages/delta`; see learn.microsoft.com/graph/delta-query-messages. */
export function deltaRoutes(world: World): Hono<GraphEnv> {
  const routes = new Hono<GraphEnv>();
  routes.get('/v1.0/users/:user/mailFolders/:folder/messages/delta', (c) => {
    const { mailbox, preferences } = openMailbox(c, world, 'read');
    const url = linkUrl(c, world);
    const folder = folderOf(mailbox, c.req.param('folder'));
    const quirks = world.quirks.get(mailbox.userId) ?? noQuirks();
    const end = shownEndOfLog(mailbox, folder, world.state.clock.now(), quirks.deltaLagMs);
    const text = url.searchParams.get('$skiptoken') ?? url.searchParams.get('$deltatoken');
    const token = text === null ? firstToken(folder, url.searchParams, world, end) : readDeltaToken(text);
    const isStale = token.generation !== world.state.deltaGeneration || token.folderId !== folder.id;
    if (isStale) throw syncStateNotFound(`${url.origin}${url.pathname}`);

    const pageSize = preferences.maxPageSize ?? token.top ?? world.settings.pageSize;
    const page = quirkyPage(quirks, token, () => deltaPage(mailbox, folder, token, { pageSize, end }));
    const name = page.isLast ? '$deltatoken' : '$skiptoken';
    return c.json({
      '@odata.context': `${url.origin}/v1.0/$metadata#Collection(message)`,
      value: page.items.map((item) => itemJson(item, token, preferences, quirks)),
      [page.isLast ? '@odata.deltaLink' : '@odata.nextLink']:
        `${url.origin}${url.pathname}?${name}=${writeDeltaToken(page.next)}`,
    });
  });
  return routes;
}

function quirkyPage(quirks: Quirks, token: DeltaToken, page: () => DeltaPage): DeltaPage {
  if (quirks.emptyPages > 0) {
    quirks.emptyPages -= 1;
    return { items: [], isLast: false, next: { ...token, page: token.page + 1 } };
  }
  if (quirks.repeatedLinks > 0) {
    quirks.repeatedLinks -= 1;
    return { ...page(), isLast: false, next: token };
  }
  const honest = page();
  return { ...honest, next: { ...honest.next, page: token.page + 1 } };
}

function itemJson(item: DeltaItem, token: DeltaToken, preferences: Preferences, quirks: Quirks) {
  if ('removed' in item) {
    return {
      '@odata.type': '#microsoft.graph.message',
      id: shownId(item.removed, preferences),
      '@removed': { reason: item.removed.reason },
    };
  }
  const select = token.select === null ? null : new Set(token.select);
  assertReadable(item.message, select, quirks);
  const isPartial = quirks.partialUpdates && !item.isNew;
  const json = messageJson(item.message, {
    select: isPartial ? (select?.intersection(CHANGEABLE_PROPERTIES) ?? CHANGEABLE_PROPERTIES) : select,
    preferences,
    extendedProperties: token.extendedProperties,
  });
  return {
    '@odata.type': '#microsoft.graph.message',
    ...oddly(json, quirks.oddMessages.get(item.message.immutableId)),
  };
}

function firstToken(folder: Folder, query: URLSearchParams, world: World, end: number): DeltaToken {
  const { select, top, filter, order, skip, extendedProperties } = readMessageQuery(query, isMessageProperty);
  const [clause] = filter;
  if (filter.length > 1 || (clause !== undefined && !isLowerBound(clause))) {
    throw badQuery('A delta query filters by receivedDateTime ge or gt only.');
  }
  if (order === 'asc' || skip !== 0)
    throw badQuery('A delta query sorts by receivedDateTime desc only, and skips nothing.');
  return {
    generation: world.state.deltaGeneration,
    folderId: folder.id,
    select,
    extendedProperties,
    top,
    receivedFrom: typeof clause?.value === 'number' ? clause.value : null,
    receivedFromExclusive: clause?.operator === 'gt',
    newestFirst: order === 'desc',
    changeType: changeTypeOf(query.get('changeType')),
    after: null,
    isFirstRound: true,
    given: 0,
    position: end,
    page: 0,
    roundStart: end,
  };
}

function isLowerBound({ property, operator }: { property: string; operator: string }): boolean {
  return property === 'receivedDateTime' && (operator === 'ge' || operator === 'gt');
}

function changeTypeOf(value: string | null): DeltaToken['changeType'] {
  if (value === null) return null;
  if (value === 'created' || value === 'updated' || value === 'deleted') return value;
  throw badQuery(`changeType must be created, updated or deleted, not '${value}'.`);
}
