import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { draftFromMime, newDraft, newReply, replyHeaders } from './draft.ts';
import { readBody, readText } from './graph-body.ts';
import { GraphFault } from './graph-fault.ts';
import { openMailbox } from './mail-access.ts';
import { storeMail } from './mail-content.ts';
import { folderOf } from './mailbox-folders.ts';
import { messageSchema } from './message-input.ts';
import { wholeJson } from './message-routes.ts';
import { messageOf } from './messages.ts';
import { assertRoom } from './sending-limits.ts';
import { rulesOf } from './sending-state.ts';
import type { GraphEnv, World } from './world.ts';

const sendMailSchema = z.object({ message: messageSchema, saveToSentItems: z.boolean().default(true) });
const replySchema = z.object({ message: messageSchema.default({}), comment: z.string().nullish() });

/** Sending: `sendMail`, `send` of a draft, `createReply`, `createReplyAll`, `reply`, `replyAll`. */
export function sendRoutes(world: World): Hono<GraphEnv> {
  const routes = new Hono<GraphEnv>();
  const user = '/v1.0/users/:user';

  routes.post(`${user}/sendMail`, async (c) => {
    const { owner, caller } = openMailbox(c, world, 'send');
    const now = world.state.clock.now();
    if (isMime(c)) {
      const mail = await draftFromMime(await readText(c), owner, now);
      world.postOffice.post({ caller, owner, mail, draft: null, save: true });
    } else {
      const { message, saveToSentItems } = await readBody(c, sendMailSchema);
      const mail = newDraft(message, owner, now);
      world.postOffice.post({ caller, owner, mail, draft: null, save: saveToSentItems });
    }
    return c.body(null, 202);
  });

  routes.post(`${user}/messages/:message/send`, (c) => {
    const { mailbox, owner, caller } = openMailbox(c, world, 'send');
    const draft = messageOf(mailbox, c.req.param('message'));
    if (!draft.isDraft) throw new GraphFault(400, 'ErrorInvalidRequest', 'Only a draft can be sent.');
    world.postOffice.post({ caller, owner, mail: draft, draft, save: true });
    return c.body(null, 202);
  });

  const reply = async (c: Context<GraphEnv>, toAll: boolean, need: 'write' | 'send') => {
    const open = openMailbox(c, world, need);
    const original = messageOf(open.mailbox, c.req.param('message') ?? '');
    const now = world.state.clock.now();
    if (isMime(c)) {
      const mail = await draftFromMime(await readText(c), open.owner, now);
      return { ...open, draft: { ...mail, headers: replyHeaders(original, mail.headers) } };
    }
    const { message, comment } = await readBody(c, replySchema, {});
    if (comment != null && message.body !== undefined) {
      throw new GraphFault(400, 'ErrorInvalidRequest', 'Specify either comment or message.body, not both.');
    }
    const input = { message, comment: comment ?? null, toAll };
    return { ...open, draft: newReply(original, open.owner, input, now) };
  };
  for (const [name, toAll] of [
    ['createReply', false],
    ['createReplyAll', true],
  ] as const) {
    routes.post(`${user}/messages/:message/${name}`, async (c) => {
      const { mailbox, preferences, draft } = await reply(c, toAll, 'write');
      assertRoom(rulesOf(world.state, mailbox.userId), draft);
      const stored = storeMail(mailbox, folderOf(mailbox, 'drafts'), draft, world.state.clock.now());
      return c.json(wholeJson(stored, preferences), 201);
    });
  }
  for (const [name, toAll] of [
    ['reply', false],
    ['replyAll', true],
  ] as const) {
    routes.post(`${user}/messages/:message/${name}`, async (c) => {
      const { owner, caller, draft } = await reply(c, toAll, 'send');
      world.postOffice.post({ caller, owner, mail: draft, draft: null, save: true });
      return c.body(null, 202);
    });
  }
  return routes;
}

/** MIME comes in base64 as `text/plain`. */
function isMime(c: Context<GraphEnv>): boolean {
  return c.req.header('content-type')?.toLowerCase().startsWith('text/plain') === true;
}
