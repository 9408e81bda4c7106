import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { streamOf } from './attachment-routes.ts';
import { attachmentJson } from './attachment-view.ts';
import { draftFromMime, newDraft } from './draft.ts';
import { readBody, readText } from './graph-body.ts';
import { GraphFault } from './graph-fault.ts';
import { linkUrl } from './links.ts';
import { type OpenMailbox, openMailbox } from './mail-access.ts';
import { storeMail } from './mail-content.ts';
import type { StoredMessage } from './mailbox.ts';
import { folderOf } from './mailbox-folders.ts';
import { mailFromInput, messageSchema } from './message-input.ts';
import { pageOf } from './message-list.ts';
import { isMessageProperty, type MessageJson, messageJson } from './message-view.ts';
import {
  copyMessage,
  deleteMessage,
  destroyMessage,
  messageOf,
  moveMessage,
  updateMessage,
} from './messages.ts';
import { mimeSourceOf } from './mime-source.ts';
import { type MessageQuery, readMessageQuery } from './odata-query.ts';
import type { Preferences } from './prefer.ts';
import { oddly, type Quirks } from './quirks.ts';
import { assertRoom } from './sending-limits.ts';
import { rulesOf } from './sending-state.ts';
import type { GraphEnv, World } from './world.ts';

const destinationSchema = z.object({ destinationId: z.string().min(1) });
/** These may only be changed while a message is a draft. */
const DRAFT_ONLY = [
  'subject',
  'body',
  'from',
  'sender',
  'to',
  'cc',
  'bcc',
  'replyTo',
  'headers',
  'attachments',
] as const;

/** Messages: list, get, MIME source, create draft, change, move, copy, delete. */
export function messageRoutes(world: World): Hono<GraphEnv> {
  const routes = new Hono<GraphEnv>();
  const user = '/v1.0/users/:user';

  routes.get(`${user}/messages`, (c) => {
    const open = openMailbox(c, world, 'read');
    return c.json(listJson(c, world, open, open.mailbox.timeline));
  });
  routes.get(`${user}/mailFolders/:folder/messages`, (c) => {
    const open = openMailbox(c, world, 'read');
    return c.json(listJson(c, world, open, folderOf(open.mailbox, c.req.param('folder')).messages));
  });
  const create = async (c: Context<GraphEnv>, folderName: string) => {
    const { mailbox, owner, preferences } = openMailbox(c, world, 'write');
    const now = world.state.clock.now();
    const folder = folderOf(mailbox, folderName);
    const draft = c.req.header('content-type')?.startsWith('text/plain')
      ? await draftFromMime(await readText(c), owner, now)
      : newDraft(await readBody(c, messageSchema), owner, now);
    assertRoom(rulesOf(world.state, owner.id), draft);
    return c.json(wholeJson(storeMail(mailbox, folder, draft, now), preferences), 201);
  };
  routes.post(`${user}/messages`, (c) => create(c, 'drafts'));
  routes.post(`${user}/mailFolders/:folder/messages`, (c) => create(c, c.req.param('folder')));

  routes.get(`${user}/messages/:message`, (c) => {
    const { mailbox, preferences } = openMailbox(c, world, 'read');
    const query = readMessageQuery(new URL(c.req.url).searchParams, isMessageProperty);
    return c.json(
      viewOf(
        messageOf(mailbox, c.req.param('message')),
        query,
        preferences,
        world.quirks.get(mailbox.userId),
      ),
    );
  });
  routes.get(`${user}/messages/:message/$value`, async (c) => {
    const { mailbox } = openMailbox(c, world, 'read');
    const source = await mimeSourceOf(messageOf(mailbox, c.req.param('message')));
    return c.body(streamOf(source), 200, {
      'content-type': 'text/plain',
      'content-length': String(source.length),
    });
  });
  routes.patch(`${user}/messages/:message`, async (c) => {
    const { mailbox, preferences } = openMailbox(c, world, 'write');
    const now = world.state.clock.now();
    const change = mailFromInput(await readBody(c, messageSchema), now);
    // Custom headers are taken when a message is made, and never again.
    delete change.headers;
    // Looked up after the body was read: meanwhile another request may have moved or deleted it.
    const message = messageOf(mailbox, c.req.param('message'));
    if (!message.isDraft) for (const name of DRAFT_ONLY) delete change[name];
    const extendedProperties = new Map([...message.extendedProperties, ...(change.extendedProperties ?? [])]);
    updateMessage(mailbox, message, { ...change, extendedProperties }, now);
    return c.json(wholeJson(message, preferences));
  });
  routes.delete(`${user}/messages/:message`, (c) => {
    const { mailbox } = openMailbox(c, world, 'write');
    deleteMessage(mailbox, messageOf(mailbox, c.req.param('message')), world.state.clock.now());
    return c.body(null, 204);
  });
  routes.post(`${user}/messages/:message/permanentDelete`, (c) => {
    const { mailbox } = openMailbox(c, world, 'write');
    destroyMessage(mailbox, messageOf(mailbox, c.req.param('message')));
    return c.body(null, 204);
  });
  routes.post(`${user}/messages/:message/move`, async (c) => {
    const { mailbox, preferences } = openMailbox(c, world, 'write');
    const { destinationId } = await readBody(c, destinationSchema);
    const message = messageOf(mailbox, c.req.param('message'));
    moveMessage(mailbox, message, folderOf(mailbox, destinationId), world.state.clock.now());
    return c.json(wholeJson(message, preferences), 201);
  });
  routes.post(`${user}/messages/:message/copy`, async (c) => {
    const { mailbox, preferences } = openMailbox(c, world, 'write');
    const { destinationId } = await readBody(c, destinationSchema);
    const message = messageOf(mailbox, c.req.param('message'));
    const copy = copyMessage(mailbox, message, folderOf(mailbox, destinationId), world.state.clock.now());
    return c.json(wholeJson(copy, preferences), 201);
  });
  return routes;
}

function listJson(c: Context<GraphEnv>, world: World, open: OpenMailbox, list: readonly StoredMessage[]) {
  const url = linkUrl(c, world);
  const query = readMessageQuery(url.searchParams, isMessageProperty);
  const pageSize = query.top ?? open.preferences.maxPageSize ?? world.settings.pageSize;
  const page = pageOf(open.mailbox, list, query, pageSize);
  const context = `${url.origin}/v1.0/$metadata#Collection(message)`;
  if (page.more) url.searchParams.set('$skip', String(query.skip + pageSize));
  return {
    '@odata.context': context,
    ...(page.total === null ? {} : { '@odata.count': page.total }),
    value: page.messages.map((message) =>
      viewOf(message, query, open.preferences, world.quirks.get(open.mailbox.userId)),
    ),
    ...(page.more ? { '@odata.nextLink': url.href } : {}),
  };
}

function viewOf(
  message: StoredMessage,
  query: MessageQuery,
  preferences: Preferences,
  quirks: Quirks | undefined,
): MessageJson {
  const { extendedProperties, expandAttachments } = query;
  const select = query.select === null ? null : new Set(query.select);
  assertReadable(message, select, quirks);
  const json = messageJson(message, { select, preferences, extendedProperties });
  if (expandAttachments)
    json.attachments = message.attachments.map((attachment) => attachmentJson(attachment, null));
  return oddly(json, quirks?.oddMessages.get(message.immutableId));
}

/** Throws the 500 that a corrupt message causes; its bare id can be read all the same. */
export function assertReadable(
  message: StoredMessage,
  select: ReadonlySet<string> | null,
  quirks: Quirks | undefined,
): void {
  const isBareId = select !== null && [...select].every((name) => name === 'id');
  if (isBareId || quirks?.corruptMessages.has(message.immutableId) !== true) return;
  throw new GraphFault(
    500,
    'ErrorInternalServerError',
    'An internal server error occurred. The operation failed.',
  );
}

/** The message with everything that comes unasked, as actions answer. */
export function wholeJson(message: StoredMessage, preferences: Preferences): MessageJson {
  return messageJson(message, { select: null, preferences, extendedProperties: [] });
}
