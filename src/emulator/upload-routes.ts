import { timingSafeEqual } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { graphDateTime } from './clock.ts';
import { readBody } from './graph-body.ts';
import { GraphFault } from './graph-fault.ts';
import { newDefaultId } from './ids.ts';
import { openMailbox } from './mail-access.ts';
import { messageOf, updateMessage } from './messages.ts';
import { assertRoom } from './sending-limits.ts';
import { rulesOf } from './sending-state.ts';
import {
  assertNextRange,
  LEAST_UPLOAD_BYTES,
  MOST_RANGE_BYTES,
  MOST_UPLOAD_BYTES,
  newUploadSession,
  readContentRange,
  type UploadItem,
  type UploadSession,
  uploadJson,
} from './upload-session.ts';
import type { GraphEnv, World } from './world.ts';

/** Pages and metadata write the names differently; the service does not mind. */
const withSmallNames = (input: unknown): unknown =>
  input === null || typeof input !== 'object' || Array.isArray(input)
    ? input
    : Object.fromEntries(Object.entries(input).map(([name, value]) => [name.toLowerCase(), value]));

const itemSchema = z.object({
  attachmenttype: z.string().toLowerCase(),
  name: z.string().min(1).max(255),
  size: z.int().min(0),
  contenttype: z.string().max(255).nullish(),
  contentid: z.string().max(500).nullish(),
  isinline: z.boolean().nullish(),
});
const sessionSchema = z.preprocess(
  withSmallNames,
  z.object({ attachmentitem: z.preprocess(withSmallNames, itemSchema) }),
);

/** Upload sessions of large attachments: begin one in Graph, then `PUT`, `GET` and `DELETE` its own URL. */
export function uploadRoutes(world: World): Hono<GraphEnv> {
  const routes = new Hono<GraphEnv>();
  const { state } = world;

  routes.post('/v1.0/users/:user/messages/:message/attachments/createUploadSession', async (c) => {
    const { mailbox, caller } = openMailbox(c, world, 'write');
    const item = itemOf((await readBody(c, sessionSchema)).attachmentitem);
    const rules = rulesOf(state, mailbox.userId);
    if (rules.refusesSharedUploads && caller.userId !== null && caller.userId !== mailbox.userId) {
      throw new GraphFault(403, 'ErrorAccessDenied', 'Access is denied. Check credentials and try again.');
    }
    const message = messageOf(mailbox, c.req.param('message'));
    assertRoom(rules, message, item.sizeBytes);
    const target = { userId: mailbox.userId, messageId: message.immutableId };
    const now = state.clock.now();
    dropExpired(world, now);
    const session = newUploadSession(target, item, now + rules.uploadSessionSeconds * 1000);
    world.uploads.set(session.id, session);
    return c.json(
      {
        '@odata.context': `${rootOf(c)}/v1.0/$metadata#microsoft.graph.uploadSession`,
        uploadUrl: `${placeOf(c, mailbox.tenantId, session)}/AttachmentSessions('${session.id}')?authtoken=${session.secret}`,
        expirationDateTime: graphDateTime(session.expiresAt),
        nextExpectedRanges: ['0-'],
      },
      201,
    );
  });

  const session = '/api/v2.0/Users/:user/Messages/:message/AttachmentSessions/:session';
  routes.get(session, (c) => c.json(uploadJson(sessionOf(c, world))));
  routes.delete(session, (c) => {
    world.uploads.delete(sessionOf(c, world).id);
    return c.body(null, 204);
  });
  routes.put(session, async (c) => {
    assertNextRange(...nextRange(c, world));
    const bytes = Buffer.from(await c.req.arrayBuffer());
    // Once more: while the bytes came in, the same range may have come by another request.
    const [upload, range, multiple] = nextRange(c, world);
    assertNextRange(upload, range, multiple);
    if (bytes.length !== range.to - range.from + 1) {
      throw new GraphFault(400, 'ErrorInvalidContentRange', 'The body is not as long as its range.');
    }
    upload.ranges.push(bytes);
    upload.receivedBytes += bytes.length;
    if (upload.receivedBytes < upload.item.sizeBytes) return c.json(uploadJson(upload));
    const { attachmentId, tenantId } = attach(world, upload);
    c.header('Location', `${placeOf(c, tenantId, upload)}/Attachments('${attachmentId}')`);
    return c.body(null, 201);
  });
  return routes;
}

function nextRange(c: Context<GraphEnv>, world: World): Parameters<typeof assertNextRange> {
  const upload = sessionOf(c, world);
  if (Number(c.req.header('content-length') ?? 0) > MOST_RANGE_BYTES) {
    throw new GraphFault(413, 'RequestEntityTooLarge', 'The maximum length of a range is 4MB.');
  }
  const range = readContentRange(c.req.header('content-range'));
  return [upload, range, rulesOf(world.state, upload.userId).uploadRangeMultipleBytes];
}

/** Throws 401 for a token in the header or a wrong one in the URL, and after the session's end; 404 for a lost session. */
function sessionOf(c: Context<GraphEnv>, world: World): UploadSession {
  if (c.req.header('authorization') !== undefined) {
    throw new GraphFault(401, 'InvalidAudience', 'The audience claim value is invalid for this resource.');
  }
  const session = world.uploads.get(c.req.param('session') ?? '');
  if (session === undefined) {
    throw new GraphFault(404, 'ErrorItemNotFound', 'The specified object was not found in the store.');
  }
  const given = Buffer.from(c.req.query('authtoken') ?? '');
  const wanted = Buffer.from(session.secret);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    throw new GraphFault(401, 'InvalidAuthenticationToken', 'The token of the upload URL is not valid.');
  }
  if (session.expiresAt <= world.state.clock.now()) {
    throw new GraphFault(401, 'ErrorAccessTokenExpired', 'The upload session has expired.');
  }
  return session;
}

function attach(world: World, upload: UploadSession): { attachmentId: string; tenantId: string } {
  const { state } = world;
  world.uploads.delete(upload.id);
  const mailbox = state.mailboxes.get(upload.userId);
  if (mailbox === undefined) {
    throw new GraphFault(404, 'ErrorItemNotFound', 'The specified object was not found in the store.');
  }
  const message = messageOf(mailbox, upload.messageId);
  const now = state.clock.now();
  const { name, contentType, contentId, isInline } = upload.item;
  const attachment = {
    id: newDefaultId(),
    kind: 'file' as const,
    name,
    contentType: contentType ?? 'application/octet-stream',
    isInline,
    contentId,
    content: Buffer.concat(upload.ranges, upload.receivedBytes),
    lastModifiedAt: now,
  };
  updateMessage(mailbox, message, { attachments: [...message.attachments, attachment] }, now);
  return { attachmentId: attachment.id, tenantId: mailbox.tenantId };
}

function itemOf(input: z.infer<typeof itemSchema>): UploadItem {
  if (input.attachmenttype !== 'file') {
    throw new GraphFault(400, 'ErrorInvalidRequest', 'Only files can be uploaded in ranges.');
  }
  if (input.size < LEAST_UPLOAD_BYTES) {
    throw new GraphFault(
      400,
      'ErrorAttachmentSizeShouldNotBeLessThanMinimumSize',
      'The size of the attachment must be at least 3 MB; attach a smaller one with a POST.',
    );
  }
  if (input.size > MOST_UPLOAD_BYTES) {
    throw new GraphFault(400, 'ErrorAttachmentSizeLimitExceeded', 'The attachment is larger than 150 MB.');
  }
  return {
    name: input.name,
    sizeBytes: input.size,
    contentType: input.contenttype ?? null,
    contentId: input.contentid ?? null,
    isInline: input.isinline ?? false,
  };
}

/** The draft as the URLs of its uploads name it. */
function placeOf(c: Context<GraphEnv>, tenantId: string, session: UploadSession): string {
  const user = `${session.userId}@${tenantId}`;
  return `${rootOf(c)}/api/v2.0/Users('${user}')/Messages('${session.messageId}')`;
}

/** Uploads go to a host of their own, which clients must not replace: here it is always the emulator itself. */
function rootOf(c: Context<GraphEnv>): string {
  return new URL(c.req.url).origin;
}

/** What nobody finished would stay in memory for good. */
function dropExpired(world: World, now: number): void {
  // An hour longer, so that a client that comes late is told that it is late.
  for (const [id, { expiresAt }] of world.uploads) if (expiresAt + 3_600_000 < now) world.uploads.delete(id);
}
