import type { MailFolder } from '@microsoft/microsoft-graph-types';
import { Hono } from 'hono';
import { z } from 'zod';
import { readBody } from './graph-body.ts';
import { linkUrl } from './links.ts';
import { openMailbox } from './mail-access.ts';
import type { Folder, Mailbox } from './mailbox.ts';
import {
  assertDeletable,
  childrenOf,
  createFolder,
  deleteFolder,
  destroyFolder,
  folderOf,
  renameFolder,
} from './mailbox-folders.ts';
import { destroyMessage } from './messages.ts';
import { badQuery, readNumber, readSelect } from './odata-query.ts';
import { MOST_ITEMS_PER_PAGE } from './prefer.ts';
import type { GraphEnv, World } from './world.ts';

const newFolderSchema = z.object({
  displayName: z.string().trim().min(1).max(255),
  isHidden: z.boolean().optional(),
  /** A search folder; see learn.microsoft.com/graph/api/mailsearchfolder-post. */
  '@odata.type': z.literal('#microsoft.graph.mailSearchFolder').optional(),
});

const PROPERTIES: Readonly<Record<string, (mailbox: Mailbox, folder: Folder) => unknown>> = {
  displayName: (_, folder) => folder.displayName,
  parentFolderId: (_, folder) => folder.parentFolderId,
  childFolderCount: (mailbox, folder) => childrenOf(mailbox, folder, false).length,
  unreadItemCount: (_, folder) => folder.unreadItemCount,
  totalItemCount: (_, folder) => folder.messages.length,
  isHidden: (_, folder) => folder.isHidden,
};

/** Mail folders: list, children, get, create, rename. */
export function folderRoutes(world: World): Hono<GraphEnv> {
  const routes = new Hono<GraphEnv>();
  const base = '/v1.0/users/:user/mailFolders';

  routes.get(base, (c) => {
    const { mailbox } = openMailbox(c, world, 'read');
    return c.json(listFolders(mailbox, folderOf(mailbox, 'msgfolderroot'), linkUrl(c, world), world));
  });
  routes.post(base, async (c) => {
    const { mailbox } = openMailbox(c, world, 'write');
    const input = await readBody(c, newFolderSchema);
    return c.json(makeFolder(mailbox, folderOf(mailbox, 'msgfolderroot'), input), 201);
  });
  routes.get(`${base}/:folder`, (c) => {
    const { mailbox } = openMailbox(c, world, 'read');
    const select = readSelect(c.req.query('$select') ?? null, isFolderProperty);
    return c.json(folderJson(mailbox, folderOf(mailbox, c.req.param('folder')), select));
  });
  routes.patch(`${base}/:folder`, async (c) => {
    const { mailbox } = openMailbox(c, world, 'write');
    const folder = folderOf(mailbox, c.req.param('folder'));
    const { displayName } = await readBody(c, newFolderSchema);
    renameFolder(mailbox, folder, displayName);
    return c.json(folderJson(mailbox, folder, null));
  });
  routes.delete(`${base}/:folder`, (c) => {
    const { mailbox } = openMailbox(c, world, 'write');
    deleteFolder(mailbox, folderOf(mailbox, c.req.param('folder')));
    return c.body(null, 204);
  });
  routes.post(`${base}/:folder/permanentDelete`, (c) => {
    const { mailbox } = openMailbox(c, world, 'write');
    destroyTree(mailbox, folderOf(mailbox, c.req.param('folder')));
    return c.body(null, 204);
  });
  routes.get(`${base}/:folder/childFolders`, (c) => {
    const { mailbox } = openMailbox(c, world, 'read');
    const parent = folderOf(mailbox, c.req.param('folder'));
    return c.json(listFolders(mailbox, parent, linkUrl(c, world), world));
  });
  routes.post(`${base}/:folder/childFolders`, async (c) => {
    const { mailbox } = openMailbox(c, world, 'write');
    const parent = folderOf(mailbox, c.req.param('folder'));
    return c.json(makeFolder(mailbox, parent, await readBody(c, newFolderSchema)), 201);
  });
  return routes;
}

function makeFolder(mailbox: Mailbox, parent: Folder, input: z.infer<typeof newFolderSchema>): MailFolder {
  const folder = createFolder(mailbox, parent, input.displayName, input.isHidden ?? false);
  if (input['@odata.type'] !== undefined) folder.isSearch = true;
  return folderJson(mailbox, folder, null);
}

function destroyTree(mailbox: Mailbox, folder: Folder): void {
  assertDeletable(folder); // before anything is lost
  for (const child of childrenOf(mailbox, folder, true)) destroyTree(mailbox, child);
  for (const message of [...folder.messages]) destroyMessage(mailbox, message);
  destroyFolder(mailbox, folder);
}

function listFolders(mailbox: Mailbox, parent: Folder, url: URL, world: World) {
  const query = url.searchParams;
  const top = readNumber(query, '$top', 1, MOST_ITEMS_PER_PAGE) ?? world.settings.pageSize;
  const skip = readNumber(query, '$skip', 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const select = readSelect(query.get('$select'), isFolderProperty);
  const matches = folderFilter(query.get('$filter'));
  const all = childrenOf(mailbox, parent, query.get('includeHiddenFolders') === 'true').filter(matches);
  const hasMore = all.length > skip + top;
  if (hasMore) query.set('$skip', String(skip + top));
  return {
    ...(query.get('$count') === 'true' ? { '@odata.count': all.length } : {}),
    value: all.slice(skip, skip + top).map((folder) => folderJson(mailbox, folder, select)),
    ...(hasMore ? { '@odata.nextLink': url.href } : {}),
  };
}

function folderFilter(filter: string | null): (folder: Folder) => boolean {
  if (filter === null) return () => true;
  const [, literal] = /^\s*displayName eq '((?:[^']|'')*)'\s*$/.exec(filter) ?? [];
  if (literal === undefined)
    throw badQuery(`The emulator filters folders by displayName eq only, not '${filter}'.`);
  const wanted = literal.replaceAll("''", "'").toLowerCase();
  return (folder) => folder.displayName.toLowerCase() === wanted;
}

function isFolderProperty(name: string): boolean {
  return name === 'id' || name in PROPERTIES;
}

/** The folder as Graph would send it. */
export function folderJson(mailbox: Mailbox, folder: Folder, select: readonly string[] | null): MailFolder {
  const json: MailFolder & Record<string, unknown> = {
    ...(folder.isSearch ? { '@odata.type': '#microsoft.graph.mailSearchFolder' } : {}),
    id: folder.id,
  };
  for (const [name, property] of Object.entries(PROPERTIES)) {
    if (select === null || select.includes(name)) json[name] = property(mailbox, folder);
  }
  return json;
}
