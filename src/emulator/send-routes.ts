import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { assertMaySendAs, deliverMail } from './delivery.ts';
import { draftFromMime, newDraft, newReply } from './draft.ts';
import { readBody, readText } from './graph-body.ts';
import { GraphFault } from './graph-fault.ts';
import { openMailbox } from './mail-access.ts';
import { storeMail } from './mail-content.ts';
import { folderOf } from './mailbox-folders.ts';
import { messageSchema } from './message-input.ts';
import { wholeJson } from './message-routes.ts';
import { messageOf, moveMessage, updateMessage } from './messages.ts';
import type { GraphEnv, World } from './world.ts';

const sendMailSchema = z.object({ message: messageSchema, saveToSentItems: z.boolean().default(true) });
const replySchema = z.object({ message: messageSchema.default({}), comment: z.string().nullish() });

/** Sending: `sendMail`, `send` of a draft, `createReply`, `createReplyAll`, `reply`, `replyAll`. */
export function sendRoutes(world: World): Hono<GraphEnv> {
  const routes = new Hono<GraphEnv>();
  const user = '/v1.0/users/:user';

  routes.post(`${user}/sendMail`, async (c) => {
    const { mailbox, owner, caller } = openMailbox(c, world, 'send');
    const now = world.state.clock.now();
    let save = true;
    let draft: Awaited<ReturnType<typeof draftFromMime>>;
    if (c.req.header('content-type')?.startsWith('text/plain')) {
      draft = await draftFromMime(await readText(c), owner, now);
    } else {
      const { message, saveToSentItems } = await readBody(c, sendMailSchema);
      save = saveToSentItems;
      draft = newDraft(message, owner, now);
    }
    assertMaySendAs(world.state, caller, owner, draft);
    const sent = deliverMail(world.state, owner, draft);
    if (save) storeMail(mailbox, folderOf(mailbox, 'sentitems'), sent, now);
    return c.body(null, 202);
  });

  routes.post(`${user}/messages/:message/send`, (c) => {
    const { mailbox, owner, caller } = openMailbox(c, world, 'send');
    const draft = messageOf(mailbox, c.req.param('message'));
    if (!draft.isDraft) throw new GraphFault(400, 'ErrorInvalidRequest', 'Only a draft can be sent.');
    assertMaySendAs(world.state, caller, owner, draft);
    const sent = deliverMail(world.state, owner, draft);
    const now = world.state.clock.now();
    const { headers, sender, sentAt } = sent;
    updateMessage(mailbox, draft, { isDraft: false, isRead: true, headers, sender, sentAt }, now);
    moveMessage(mailbox, draft, folderOf(mailbox, 'sentitems'), now);
    return c.body(null, 202);
  });

  const reply = async (c: Context<GraphEnv>, toAll: boolean, need: 'write' | 'send') => {
    const open = openMailbox(c, world, need);
    const original = messageOf(open.mailbox, c.req.param('message') ?? '');
    const { message, comment } = await readBody(c, replySchema);
    if (comment != null && message.body !== undefined) {
      throw new GraphFault(400, 'ErrorInvalidRequest', 'Specify either comment or message.body, not both.');
    }
    const input = { message, comment: comment ?? null, toAll };
    return { ...open, draft: newReply(original, open.owner, input, world.state.clock.now()) };
  };
  for (const [name, toAll] of [
    ['createReply', false],
    ['createReplyAll', true],
  ] as const) {
    routes.post(`${user}/messages/:message/${name}`, async (c) => {
      const { mailbox, preferences, draft } = await reply(c, toAll, 'write');
      const stored = storeMail(mailbox, folderOf(mailbox, 'drafts'), draft, world.state.clock.now());
      return c.json(wholeJson(stored, preferences), 201);
    });
  }
  for (const [name, toAll] of [
    ['reply', false],
    ['replyAll', true],
  ] as const) {
    routes.post(`${user}/messages/:message/${name}`, async (c) => {
      const { mailbox, owner, caller, draft } = await reply(c, toAll, 'send');
      assertMaySendAs(world.state, caller, owner, draft);
      const sent = deliverMail(world.state, owner, draft);
      storeMail(mailbox, folderOf(mailbox, 'sentitems'), sent, world.state.clock.now());
      return c.body(null, 202);
    });
  }
  return routes;
}
