import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Organization } from '../../src/access/organization.entity.ts';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { forkFor } from '../../src/platform/database.ts';
import { parseByteRange } from '../../src/server/byte-range.ts';
import { Attachment } from '../../src/ticketing/attachment.entity.ts';
import { storeContent } from '../../src/ticketing/attachment-content.ts';
import { Contact } from '../../src/ticketing/contact.entity.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { startTestServer, type TestServer } from './harness.ts';
import { probeSchema } from './probe-schema.ts';

let server: TestServer;
let key: string;
let organizationId: string;
/** Longer than one piece of storage, and not the same everywhere. */
const content = Buffer.from(Array.from({ length: 1_048_576 + 1_000 }, (_, index) => index % 251));

beforeAll(async () => {
  server = await startTestServer({ schema: probeSchema });
  ({ secret: key, organizationId } = await server.key('VIEWER'));
});
afterAll(() => server?.[Symbol.asyncDispose]());

/** Stores a file of a message, as a sync does, and gives its global id. */
async function store(name: string, contentType = 'text/html', isStored = true): Promise<string> {
  const em = forkFor(server.own.database, organizationId);
  const organization = em.getReference(Organization, organizationId);
  const now = server.services.clock.now();
  const number = Math.floor(Math.random() * 1_000_000_000);
  const requester = em.create(Contact, { organization, name: 'C', emailAddress: `${number}@example.com` });
  const ticket = em.create(Ticket, { organization, number, subject: 'S', requester, lastMessageAt: now });
  const message = em.create(Message, {
    organization,
    ticket,
    kind: 'INBOUND',
    to: [],
    cc: [],
    subject: 'S',
    text: 'T',
    strippedText: 'T',
  });
  const attachment = em.create(Attachment, {
    organization,
    message,
    position: 0,
    name,
    contentType,
    sizeBytes: content.length,
    state: 'PENDING',
  });
  await em.flush();
  const pieces = (async function* () {
    yield content;
  })();
  if (isStored) {
    const { storages } = server.services;
    const target = {
      storages,
      organizationId,
      attachmentId: attachment.id,
      maxBytes: 10_000_000,
      now: () => now,
    };
    await storeContent(em, target, pieces);
  }
  return encodeGlobalId('Attachment', attachment.id);
}

const download = (id: string, headers: Record<string, string> = {}) =>
  server.fetch(`/attachments/${id}`, { headers: { authorization: `Bearer ${key}`, ...headers } });

test('gives the file, whole and as a download that no browser shows or runs', async () => {
  const response = await download(await store('invoice.html'));
  expect(response.status).toBe(200);
  expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-store',
    'content-disposition': `attachment; filename="invoice.html"; filename*=UTF-8''invoice.html`,
    'content-length': String(content.length),
    'content-security-policy': "sandbox; default-src 'none'",
    'content-type': 'application/octet-stream',
    etag: `"${createHash('sha256').update(content).digest('hex')}"`,
    'x-content-type-options': 'nosniff',
  });
});

test.each([
  [
    'Überweisung 50 €.pdf',
    `attachment; filename="_berweisung 50 _.pdf"; filename*=UTF-8''%C3%9Cberweisung%2050%20%E2%82%AC.pdf`,
  ],
  [
    'a"b\r\nX-Evil: 1.txt',
    `attachment; filename="a_b__X-Evil: 1.txt"; filename*=UTF-8''a%22b%0D%0AX-Evil%3A%201.txt`,
  ],
  ["it's (1)*.txt", `attachment; filename="it's (1)*.txt"; filename*=UTF-8''it%27s%20%281%29%2A.txt`],
  ['../../etc/passwd', `attachment; filename=".._.._etc_passwd"; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd`],
])('names %s so that every client understands and none is misled (RFC 6266)', async (name, expected) => {
  const { headers } = await download(await store(name));
  expect(headers.get('content-disposition')).toBe(expected);
  expect(headers.get('x-evil')).toBeNull();
});

test.each([
  ['bytes=0-9', 0, 10],
  ['bytes=1048570-1048585', 1_048_570, 1_048_586],
  ['bytes=1048576-', 1_048_576, content.length],
  ['bytes=-5', content.length - 5, content.length],
])('gives a part: %s', async (range, start, end) => {
  const response = await download(await store('part.bin'), { range });
  expect(response.status).toBe(206);
  expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${content.length}`);
  expect(Buffer.from(await response.arrayBuffer()).equals(content.subarray(start, end))).toBe(true);
});

test('a part outside of the file answers 416 with its size', async () => {
  const response = await download(await store('part.bin'), { range: `bytes=${content.length}-` });
  expect(response.status).toBe(416);
  expect(response.headers.get('content-range')).toBe(`bytes */${content.length}`);
});

test('without or with unknown credentials it answers 401', async () => {
  const id = await store('secret.txt');
  expect((await server.fetch(`/attachments/${id}`)).status).toBe(401);
  expect((await download(id, { authorization: 'Bearer nonsense' })).status).toBe(401);
});

test('garbage, an unknown id, one of another organization, of another type or not stored yet: all answer the same', async () => {
  const stranger = await server.key('OWNER');
  const id = await store('secret.txt');
  const answers = await Promise.all([
    download('garbage'),
    download(encodeGlobalId('Attachment', crypto.randomUUID())),
    download(encodeGlobalId('Ticket', crypto.randomUUID())),
    download(id, { authorization: `Bearer ${stranger.secret}` }),
    download(await store('pending.txt', 'text/plain', false)),
  ]);
  const bodies = await Promise.all(
    answers.map(async (answer) => ({ status: answer.status, ...((await answer.json()) as object) })),
  );
  for (const body of bodies) {
    expect(body).toMatchObject({
      status: 404,
      errors: [{ message: 'The attachment was not found.', extensions: { code: 'NOT_FOUND' } }],
    });
  }
});

describe('ranges that RFC 9110 has us ignore or refuse', () => {
  test.each([
    [undefined, null],
    ['bytes=', null],
    ['bytes=-', null],
    ['bytes=5-3', null],
    ['bytes=0-1,3-4', null],
    ['lines=0-1', null],
    ['bytes=abc', null],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=3-99', { start: 3, end: 9 }],
    ['bytes=-99', { start: 0, end: 9 }],
  ])('%s of ten bytes', (header, expected) => {
    expect(parseByteRange(header, 10)).toEqual(expected);
  });

  test('any range of an empty file', () => {
    expect(parseByteRange('bytes=0-', 0)).toBe('unsatisfiable');
    expect(parseByteRange('bytes=-5', 0)).toBe('unsatisfiable');
  });
});
