import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { ControlFault, controlFaultResponse, readControlBody } from './control-answer.ts';
import { newDefaultId } from './ids.ts';
import { blankMail, type MailContent, storeMail, writeHeaders } from './mail-content.ts';
import type { Folder, MailAddress, Mailbox } from './mailbox.ts';
import { folderOf } from './mailbox-folders.ts';
import { parseMime } from './mime.ts';
import { findUserByAddress } from './state.ts';
import type { World } from './world.ts';

/** Enough for 10,000 short mails, or one mail at the limit Microsoft has for a message. */
const MOST_BODY_BYTES = 200 * 1024 * 1024;
const MOST_MAILS = 10_000;

const address = z.union([
  z.string().regex(/^[^<>]*<[^<>@\s]+@[^<>@\s]+>$|^[^<>@\s]+@[^<>@\s]+$/, {
    error: 'must be an address or Name <address>',
  }),
  z.object({ name: z.string().optional(), address: z.string().regex(/^[^@\s]+@[^@\s]+$/) }),
]);
const addresses = z.union([address.transform((one) => [one]), z.array(address).max(500)]);

const mailSchema = z.strictObject({
  to: addresses,
  cc: addresses.default([]),
  replyTo: addresses.default([]),
  from: address,
  subject: z.string().max(1000).default(''),
  text: z.string().optional(),
  html: z.string().optional(),
  messageId: z.string().max(998).optional(),
  inReplyTo: z.string().max(998).optional(),
  references: z.union([z.string(), z.array(z.string()).transform((ids) => ids.join(' '))]).optional(),
  importance: z.enum(['low', 'normal', 'high']).default('normal'),
  isRead: z.boolean().default(false),
  headers: z.record(z.string().regex(/^[!-9;-~]+$/), z.string()).default({}),
  /** `PidTagMessageClass`, as Exchange gives it to what it writes itself: headers do not always tell it. */
  messageClass: z.string().min(1).max(255).default('IPM.Note'),
  receivedDateTime: z.iso.datetime({ offset: true }).optional(),
  /** Well-known name or id; the Inbox when left out. */
  folder: z.string().min(1).default('inbox'),
  attachments: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        contentType: z.string().default('application/octet-stream'),
        contentBytes: z.base64(),
        isInline: z.boolean().default(false),
        contentId: z.string().optional(),
        /** `reference`: only a link to a file in the cloud. Graph v1.0 does not tell where it leads, nor does the emulator. */
        kind: z.enum(['file', 'reference']).default('file'),
      }),
    )
    .max(100)
    .default([]),
});
type MailInput = z.infer<typeof mailSchema>;

/** A mail that is ready, and where it goes. */
interface Posting {
  mail: MailContent;
  places: { address: string; mailbox: Mailbox; folder: Folder }[];
}

/** `POST /_emulator/mail`: mail that arrives from outside, as JSON (one or an array) or as `message/rfc822` with `?to=`. */
export function controlMailRoutes(world: World): Hono {
  const routes = new Hono();
  routes.onError(controlFaultResponse);
  const limit = bodyLimit({
    maxSize: MOST_BODY_BYTES,
    onError: () => {
      throw new ControlFault(413, 'payloadTooLarge', `The body is larger than ${MOST_BODY_BYTES} bytes.`);
    },
  });
  routes.post('/mail', limit, async (c) => {
    if (c.req.header('content-type')?.toLowerCase().startsWith('message/rfc822')) {
      return c.json(store(world, await readMime(c, world)), 201);
    }
    const input = await readControlBody(c, z.union([mailSchema, z.array(mailSchema).min(1).max(MOST_MAILS)]));
    // All are checked before the first is stored: an error leaves nothing half done.
    if (!Array.isArray(input)) return c.json(store(world, postingOf(world, input)), 201);
    const postings = input.map((mail) => postingOf(world, mail));
    return c.json(
      postings.map((posting) => store(world, posting)),
      201,
    );
  });
  return routes;
}

function store(world: World, { mail, places }: Posting) {
  const copies = places.map(({ address, mailbox, folder }) => {
    const stored = storeMail(mailbox, folder, mail, world.state.clock.now());
    return { mailbox: address, id: stored.id, immutableId: stored.immutableId };
  });
  const [first] = copies;
  return { ...first, internetMessageId: mail.internetMessageId, ...(copies.length > 1 ? { copies } : {}) };
}

async function readMime(c: Context, world: World): Promise<Posting> {
  const to = c.req.queries('to') ?? [];
  if (to.length === 0) throw new ControlFault(400, 'badRequest', 'Say with ?to=address whose mail this is.');
  const places = placesOf(world, to, c.req.query('folder') ?? 'inbox');
  if (places.length < to.length) throw unknownRecipient(to);
  const received = c.req.query('receivedDateTime');
  const receivedAt = received === undefined ? world.state.clock.now() : Date.parse(received);
  if (Number.isNaN(receivedAt))
    throw new ControlFault(400, 'badRequest', 'receivedDateTime is no ISO 8601 instant.');
  const mail = await parseMime(Buffer.from(await c.req.arrayBuffer()), receivedAt);
  return { mail: { ...mail, receivedAt }, places };
}

function postingOf(world: World, input: MailInput): Posting {
  const recipients = [...input.to, ...input.cc].map(addressOf).map((recipient) => recipient.address);
  const places = placesOf(world, recipients, input.folder);
  if (places.length === 0) throw unknownRecipient(recipients);
  return { mail: mailOf(input, world.state.clock.now()), places };
}

function placesOf(world: World, recipients: readonly string[], folder: string): Posting['places'] {
  return recipients.flatMap((recipient) => {
    const user = findUserByAddress(world.state, recipient);
    const mailbox = user === undefined ? undefined : world.state.mailboxes.get(user.id);
    return mailbox === undefined ? [] : [{ address: recipient, mailbox, folder: folderOf(mailbox, folder) }];
  });
}

function mailOf(input: MailInput, now: number): MailContent {
  const receivedAt = input.receivedDateTime === undefined ? now : Date.parse(input.receivedDateTime);
  const blank = blankMail(receivedAt);
  const from = addressOf(input.from);
  const threading = [
    ['In-Reply-To', input.inReplyTo],
    ['References', input.references ?? input.inReplyTo],
    ...Object.entries(input.headers),
  ] as const;
  const mail: MailContent = {
    ...blank,
    subject: input.subject,
    from,
    sender: from,
    to: input.to.map(addressOf),
    cc: input.cc.map(addressOf),
    replyTo: input.replyTo.map(addressOf),
    importance: input.importance,
    isRead: input.isRead,
    internetMessageId: input.messageId ?? blank.internetMessageId,
    body:
      input.html === undefined
        ? { contentType: 'text', content: input.text ?? '' }
        : { contentType: 'html', content: input.html },
    extendedProperties: new Map([['String 0x001A', input.messageClass]]),
    headers: threading.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }])),
    attachments: input.attachments.map(({ name, contentType, contentBytes, isInline, contentId, kind }) => ({
      id: newDefaultId(),
      kind,
      name,
      contentType: kind === 'reference' ? null : contentType,
      isInline,
      contentId: contentId ?? null,
      content: Buffer.from(contentBytes, 'base64'),
      lastModifiedAt: receivedAt,
    })),
  };
  return { ...mail, headers: writeHeaders(mail) };
}

function addressOf(input: z.infer<typeof address>): MailAddress {
  if (typeof input !== 'string') return { name: input.name ?? input.address, address: input.address };
  const [, name = '', bracketed] = /^(.*?)\s*<([^<>]+)>$/.exec(input) ?? [];
  if (bracketed === undefined) return { name: input, address: input };
  const plainName = name.trim().replace(/^"|"$/g, '');
  return { name: plainName === '' ? bracketed : plainName, address: bracketed };
}

function unknownRecipient(recipients: readonly string[]): ControlFault {
  return new ControlFault(404, 'notFound', `There is no mailbox for ${recipients.slice(0, 5).join(', ')}.`);
}
