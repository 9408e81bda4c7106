import { Hono } from 'hono';
import { endOfLog } from './change-log.ts';
import { type DeltaItem, deltaPage, syncStateNotFound } from './delta.ts';
import { type DeltaToken, readDeltaToken, writeDeltaToken } from './delta-token.ts';
import { linkUrl } from './links.ts';
import { openMailbox } from './mail-access.ts';
import type { Folder } from './mailbox.ts';
import { folderOf } from './mailbox-folders.ts';
import { isMessageProperty, messageJson, shownId } from './message-view.ts';
import { badQuery, readMessageQuery } from './odata-query.ts';
import type { Preferences } from './prefer.ts';
import type { GraphEnv, World } from './world.ts';

/** `GET /mailFolders/{id}/messages/delta`; see learn.microsoft.com/graph/delta-query-messages. */
export function deltaRoutes(world: World): Hono<GraphEnv> {
  const routes = new Hono<GraphEnv>();
  routes.get('/v1.0/users/:user/mailFolders/:folder/messages/delta', (c) => {
    const { mailbox, preferences } = openMailbox(c, world, 'read');
    const url = linkUrl(c, world);
    const folder = folderOf(mailbox, c.req.param('folder'));
    const text = url.searchParams.get('$skiptoken') ?? url.searchParams.get('$deltatoken');
    const token = text === null ? firstToken(folder, url.searchParams, world) : readDeltaToken(text);
    const isStale = token.generation !== world.state.deltaGeneration || token.folderId !== folder.id;
    if (isStale) throw syncStateNotFound(`${url.origin}${url.pathname}`);

    const pageSize = preferences.maxPageSize ?? token.top ?? world.settings.pageSize;
    const page = deltaPage(mailbox, folder, token, pageSize);
    const next = `${url.origin}${url.pathname}?${page.isLast ? '$deltatoken' : '$skiptoken'}=${writeDeltaToken(page.next)}`;
    return c.json({
      '@odata.context': `${url.origin}/v1.0/$metadata#Collection(message)`,
      value: page.items.map((item) => itemJson(item, token, preferences)),
      [page.isLast ? '@odata.deltaLink' : '@odata.nextLink']: next,
    });
  });
  return routes;
}

function itemJson(item: DeltaItem, token: DeltaToken, preferences: Preferences) {
  if ('removed' in item) {
    return {
      '@odata.type': '#microsoft.graph.message',
      id: shownId(item.removed, preferences),
      '@removed': { reason: item.removed.reason },
    };
  }
  const { select, extendedProperties } = token;
  return {
    '@odata.type': '#microsoft.graph.message',
    ...messageJson(item.message, {
      select: select === null ? null : new Set(select),
      preferences,
      extendedProperties,
    }),
  };
}

function firstToken(folder: Folder, query: URLSearchParams, world: World): DeltaToken {
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
    position: endOfLog(folder),
    roundStart: endOfLog(folder),
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
