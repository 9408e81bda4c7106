import { Hono } from 'hono';
import { attachmentJson, isAttachmentProperty } from './attachment-view.ts';
import { readBody } from './graph-body.ts';
import { GraphFault } from './graph-fault.ts';
import { openMailbox } from './mail-access.ts';
import type { StoredAttachment, StoredMessage } from './mailbox.ts';
import { attachmentSchema, fileFromInput } from './message-input.ts';
import { messageOf, updateMessage } from './messages.ts';
import { readSelect } from './odata-query.ts';
import { assertRoom } from './sending-limits.ts';
import { rulesOf } from './sending-state.ts';
import type { GraphEnv, World } from './world.ts';

/** Attachments of a message: list, get, content, add, delete. */
export function attachmentRoutes(world: World): Hono<GraphEnv> {
  const routes = new Hono<GraphEnv>();
  const base = '/v1.0/users/:user/messages/:message/attachments';

  routes.get(base, (c) => {
    const message = messageOf(openMailbox(c, world, 'read').mailbox, c.req.param('message'));
    const select = readSelect(c.req.query('$select') ?? null, isAttachmentProperty);
    return c.json({ value: message.attachments.map((attachment) => attachmentJson(attachment, select)) });
  });
  routes.post(base, async (c) => {
    const { mailbox } = openMailbox(c, world, 'write');
    const now = world.state.clock.now();
    const attachment = fileFromInput(await readBody(c, attachmentSchema), now);
    const message = messageOf(mailbox, c.req.param('message'));
    assertRoom(rulesOf(world.state, mailbox.userId), message, attachment.content.length);
    updateMessage(mailbox, message, { attachments: [...message.attachments, attachment] }, now);
    return c.json(attachmentJson(attachment, null), 201);
  });
  routes.get(`${base}/:attachment`, (c) => {
    const message = messageOf(openMailbox(c, world, 'read').mailbox, c.req.param('message'));
    const select = readSelect(c.req.query('$select') ?? null, isAttachmentProperty);
    return c.json(attachmentJson(attachmentOf(message, c.req.param('attachment')), select));
  });
  routes.get(`${base}/:attachment/$value`, (c) => {
    const message = messageOf(openMailbox(c, world, 'read').mailbox, c.req.param('message'));
    const attachment = attachmentOf(message, c.req.param('attachment'));
    if (attachment.kind === 'reference') {
      throw new GraphFault(405, 'ErrorInvalidRequest', 'A reference attachment has no content of its own.');
    }
    return c.body(streamOf(attachment.content), 200, {
      'content-type': attachment.kind === 'item' ? 'text/plain' : mediaTypeOf(attachment),
      'content-length': String(attachment.content.length),
    });
  });
  routes.delete(`${base}/:attachment`, (c) => {
    const { mailbox } = openMailbox(c, world, 'write');
    const message = messageOf(mailbox, c.req.param('message'));
    const gone = attachmentOf(message, c.req.param('attachment'));
    const attachments = message.attachments.filter((attachment) => attachment !== gone);
    updateMessage(mailbox, message, { attachments }, world.state.clock.now());
    return c.body(null, 204);
  });
  return routes;
}

/**
 * The type that a file is sent with. Anybody can write anything into a mail: a line end or a control character is refused
 * by Node in a header, and the file could never be downloaded.
 */
function mediaTypeOf({ contentType }: StoredAttachment): string {
  return contentType !== null && /^[!-~][ -~]*$/.test(contentType) ? contentType : 'application/octet-stream';
}

/** Chunks of this many bytes, so that clients see a large attachment arrive piece by piece. */
const CHUNK_BYTES = 64 * 1024;

/** Bytes as a stream of chunks, made as fast as the client takes them. */
export function streamOf(content: Buffer): ReadableStream<Uint8Array> {
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      if (offset >= content.length) {
        controller.close();
        return;
      }
      controller.enqueue(new Uint8Array(content.subarray(offset, offset + CHUNK_BYTES)));
      offset += CHUNK_BYTES;
    },
  });
}

function attachmentOf(message: StoredMessage, id: string): StoredAttachment {
  const attachment = message.attachments.find((candidate) => candidate.id === id);
  if (attachment !== undefined) return attachment;
  throw new GraphFault(404, 'ErrorItemNotFound', 'The specified object was not found in the store.');
}
