import { z } from 'zod';
import type { GraphCall, GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import { PATIENT_BUDGET } from './graph-retry.ts';
import { type MailboxAccess, type MailFolder, WELL_KNOWN_FOLDERS, type WellKnownFolder } from './mail.ts';

/** A tree with more folders than this is cut off: nobody can choose from it, and the time is bounded. */
const MOST_FOLDERS = 1_000;
/** Outlook itself allows 300 levels; real trees have a handful. */
const MOST_LEVELS = 20;
const PROPERTIES =
  '$select=id,displayName,parentFolderId,childFolderCount,totalItemCount,unreadItemCount,isHidden';

const folderSchema = z.object({
  '@odata.type': z.string().nullish(),
  id: z.string().min(1),
  displayName: z.string().nullish(),
  parentFolderId: z.string().nullish(),
  childFolderCount: z.number().nullish(),
  totalItemCount: z.number().nullish(),
  unreadItemCount: z.number().nullish(),
  isHidden: z.boolean().nullish(),
});
type RawFolder = z.infer<typeof folderSchema>;
const folderPage = z.object({ value: z.array(folderSchema), '@odata.nextLink': z.string().nullish() });

/** What the functions here need besides the scope of a call. */
export interface FolderDeps {
  client: GraphClient;
}

/** The path of a mailbox below the version. `/me` and ids survive a change of the address. */
export function mailboxPath({ kind, emailAddress, microsoftUserId }: MailboxAccess): string {
  return kind === 'PRIMARY' ? '/me' : `/users/${encodeURIComponent(microsoftUserId ?? emailAddress)}`;
}

/** See `MailApi.listFolders`. */
export async function listFolders(deps: FolderDeps, scope: GraphScope): Promise<MailFolder[]> {
  const wellKnown = await readWellKnown(deps, scope, null);
  const folders: MailFolder[] = [];
  let parents: (MailFolder | null)[] = [null];
  // Level by level: the folders of one level are asked for together.
  for (
    let level = 0;
    level < MOST_LEVELS && parents.length > 0 && folders.length < MOST_FOLDERS;
    level += 1
  ) {
    const answers = await Promise.all(parents.map((parent) => listChildren(deps, scope, parent?.id ?? null)));
    const next: MailFolder[] = [];
    for (const [index, children] of answers.entries()) {
      const parent = parents[index] ?? null;
      for (const raw of children.slice(0, MOST_FOLDERS - folders.length)) {
        const folder = toFolder(raw, parent, wellKnown.names);
        folders.push(folder);
        if (folder.childFolderCount > 0) next.push(folder);
      }
    }
    parents = next;
  }
  return inTreeOrder(folders);
}

/** Each folder followed by those below it; siblings stay in Microsoft's order. */
function inTreeOrder(folders: readonly MailFolder[]): MailFolder[] {
  const below = Map.groupBy(folders, ({ parentId }) => parentId);
  const walk = (parentId: string | null): MailFolder[] =>
    (below.get(parentId) ?? []).flatMap((folder) => [folder, ...walk(folder.id)]);
  return walk(null);
}

/** See `MailApi.getFolder`. */
export async function getFolder(
  deps: FolderDeps,
  scope: GraphScope,
  idOrWellKnownName: string,
): Promise<MailFolder | null> {
  const { wanted, rootId, names } = await readWellKnown(deps, scope, idOrWellKnownName);
  if (wanted === null) return null;
  const ancestors: RawFolder[] = [];
  let parentId = wanted.parentFolderId;
  while (parentId && parentId !== rootId && ancestors.length < MOST_LEVELS) {
    const parent = await readFolder(deps, scope, parentId);
    if (parent === null) break;
    ancestors.unshift(parent);
    parentId = parent.parentFolderId;
  }
  let above: MailFolder | null = null;
  for (const raw of ancestors) above = toFolder(raw, above, names);
  return toFolder(wanted, above, names);
}

/** See `MailApi.createFolder`. */
export async function createFolder(
  deps: FolderDeps,
  scope: GraphScope,
  displayName: string,
  parentFolderId: string | null,
): Promise<MailFolder> {
  const parent = parentFolderId === null ? null : await getFolder(deps, scope, parentFolderId);
  if (parentFolderId !== null && parent === null) {
    throw new GraphError(
      'FOLDER_NOT_FOUND',
      'The folder to make another one in does not exist in the mailbox.',
    );
  }
  try {
    const json = await deps.client.json(
      {
        operation: 'folder.create',
        method: 'POST',
        target: childrenPath(scope.mailbox, parent?.id ?? null),
        subject: 'FOLDER',
        body: { displayName },
        // A second time it answers that the name is taken, which is handled below.
        isRepeatable: true,
        budget: PATIENT_BUDGET,
      },
      scope,
    );
    return toFolder(read(folderSchema, json), parent, new Map());
  } catch (error) {
    if (!(error instanceof GraphError) || error.code !== 'FOLDER_EXISTS') throw error;
    const existing = (await listChildren(deps, scope, parent?.id ?? null)).find(
      (raw) => raw.displayName?.toLowerCase() === displayName.trim().toLowerCase(),
    );
    if (existing === undefined) throw error;
    const { names } = await readWellKnown(deps, scope, null);
    return toFolder(existing, parent, names);
  }
}

/**
 * The ids of the folders that have a name in every language, and one folder besides. Each is a request of its own: a batch
 * would need all the places of the mailbox at one time, and people would wait for whatever is slow there.
 */
async function readWellKnown(
  deps: FolderDeps,
  scope: GraphScope,
  wantedId: string | null,
): Promise<{ wanted: RawFolder | null; rootId: string | null; names: Map<string, WellKnownFolder> }> {
  const ids = [...(wantedId === null ? [] : [wantedId]), 'msgfolderroot', ...WELL_KNOWN_FOLDERS];
  // A mailbox need not have every well-known folder.
  const folders = await Promise.all(ids.map(async (id) => [id, await readFolder(deps, scope, id)] as const));
  const found = new Map(folders.flatMap(([id, folder]) => (folder === null ? [] : [[id, folder] as const])));
  const names = new Map<string, WellKnownFolder>();
  for (const name of WELL_KNOWN_FOLDERS) {
    const folder = found.get(name);
    if (folder !== undefined) names.set(folder.id, name);
  }
  return {
    wanted: wantedId === null ? null : (found.get(wantedId) ?? null),
    rootId: found.get('msgfolderroot')?.id ?? null,
    names,
  };
}

/** Whether the mailbox has a folder of this id or well-known name: one request. Throws `GraphError`. */
export async function folderExists(deps: FolderDeps, scope: GraphScope, id: string): Promise<boolean> {
  return (await readFolder(deps, scope, id)) !== null;
}

async function readFolder({ client }: FolderDeps, scope: GraphScope, id: string): Promise<RawFolder | null> {
  try {
    return read(
      folderSchema,
      await client.json(folderCall('folder.get', folderPath(scope.mailbox, id)), scope),
    );
  } catch (error) {
    if (error instanceof GraphError && error.code === 'FOLDER_NOT_FOUND') return null;
    throw error;
  }
}

async function listChildren(
  { client }: FolderDeps,
  scope: GraphScope,
  parentId: string | null,
): Promise<RawFolder[]> {
  const path = childrenPath(scope.mailbox, parentId);
  const children: RawFolder[] = [];
  const seen = new Set<string>();
  let target: string | null = `${path}?$top=100&${PROPERTIES}`;
  while (target !== null && !seen.has(target) && children.length < MOST_FOLDERS) {
    seen.add(target);
    const page: z.infer<typeof folderPage> = read(
      folderPage,
      await client.json(folderCall('folder.list', target), scope),
    );
    children.push(
      ...page.value.filter(
        (raw) => !raw['@odata.type']?.toLowerCase().endsWith('mailsearchfolder') && raw.isHidden !== true,
      ),
    );
    target = page['@odata.nextLink'] ?? null;
  }
  return children;
}

function childrenPath(mailbox: MailboxAccess, parentId: string | null): string {
  const base = `${mailboxPath(mailbox)}/mailFolders`;
  return parentId === null ? base : `${base}/${encodeURIComponent(parentId)}/childFolders`;
}

function folderCall(operation: string, target: string): GraphCall {
  return { operation, method: 'GET', target, subject: 'FOLDER', budget: PATIENT_BUDGET };
}

function folderPath(mailbox: MailboxAccess, id: string): string {
  return `${mailboxPath(mailbox)}/mailFolders/${encodeURIComponent(id)}?${PROPERTIES}`;
}

function toFolder(
  raw: RawFolder,
  parent: MailFolder | null,
  names: Map<string, WellKnownFolder>,
): MailFolder {
  const displayName = raw.displayName ?? '';
  return {
    id: raw.id,
    displayName,
    parentId: parent?.id ?? null,
    path: parent === null ? displayName : `${parent.path} / ${displayName}`,
    depth: parent === null ? 0 : parent.depth + 1,
    wellKnownName: names.get(raw.id) ?? null,
    childFolderCount: raw.childFolderCount ?? 0,
    totalItemCount: raw.totalItemCount ?? 0,
    unreadItemCount: raw.unreadItemCount ?? 0,
  };
}

function read<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph answered about folders in an unknown form.', {
    cause: parsed.error,
  });
}
