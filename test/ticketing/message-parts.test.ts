import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeId } from '../../src/graphql/global-id.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLinkSigner } from '../../src/platform/link-signing.ts';
import { inlineImageSubject } from '../../src/ticketing/inline-images.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
let desk: Desk;
let mailboxId: string;
let address: string;
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk();
  ({ mailboxId, address } = await desk.connectMailbox());
  await desk.enable(mailboxId);
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Parts {
  id: string;
  subject: string;
  text: string;
  html: string | null;
  strippedText: string;
  quotedText: string | null;
  hasQuotedText: boolean;
  signature: string | null;
  protection: string | null;
  inlineImages: { contentId: string; url: string; expiresAt: string; attachment: { name: string } }[];
  attachments: { id: string; name: string; state: string; contentTypeMismatch: boolean }[];
}

const FIELDS =
  'id subject text html strippedText quotedText hasQuotedText signature protection inlineImages { contentId url expiresAt attachment { name } } attachments { id name state contentTypeMismatch }';

async function messageOf(subject: string): Promise<Parts> {
  const { tickets } = await desk.request<{
    tickets: { edges: { node: { messages: { edges: { node: Parts }[] } } }[] };
  }>(`{ tickets(first: 40) { edges { node { messages(first: 5) { edges { node { ${FIELDS} } } } } } } }`);
  const found = tickets.edges
    .flatMap(({ node }) => node.messages.edges)
    .find(({ node }) => node.subject === subject);
  if (!found) throw new Error(`There is no message "${subject}".`);
  return found.node;
}

/** Delivers MIME source as it is, and reads what became of it. */
async function deliverSource(subject: string, lines: readonly string[]): Promise<Parts> {
  const source = [
    'From: Carol <carol@fabrikam.example>',
    `To: ${address}`,
    `Subject: ${subject}`,
    `Message-ID: <${crypto.randomUUID()}@fabrikam.example>`,
    'MIME-Version: 1.0',
    ...lines,
  ].join('\r\n');
  const response = await fetch(`${app.emulator.url}/_emulator/mail?to=${address}`, {
    method: 'POST',
    headers: { 'content-type': 'message/rfc822' },
    body: source,
  });
  expect(response.status).toBe(201);
  await desk.sync(mailboxId);
  return messageOf(subject);
}

test('quotes and signature are folded, and all of it stays available', async () => {
  const text =
    'It works now.\n\n-- \nCarol\n\nAm 16.11.2026 um 09:00 schrieb Support <s@example.com>:\n\n> Try again.';
  await deliver(app.emulator.url, { to: address, subject: 'Folded', text });
  await desk.sync(mailboxId);
  expect(await messageOf('Folded')).toMatchObject({
    text,
    strippedText: 'It works now.',
    hasQuotedText: true,
    quotedText: 'Am 16.11.2026 um 09:00 schrieb Support <s@example.com>:\n\n> Try again.',
    signature: expect.stringContaining('Carol'),
    protection: null,
    inlineImages: [],
  });
});

test('a plain mail has nothing folded', async () => {
  await deliver(app.emulator.url, { to: address, subject: 'Plain', text: 'Hello there' });
  await desk.sync(mailboxId);
  expect(await messageOf('Plain')).toMatchObject({ hasQuotedText: false, quotedText: null, signature: null });
});

test.each([
  [
    'S/MIME signature',
    'multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary=b',
    'SMIME_SIGNED',
  ],
  ['PGP signature', 'multipart/signed; protocol="application/pgp-signature"; boundary=b', 'PGP_SIGNED'],
  [
    'PGP encryption',
    'multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b',
    'PGP_ENCRYPTED',
  ],
])('%s is said, and the mail kept as it is', async (subject, type, protection) => {
  const message = await deliverSource(subject, [
    `Content-Type: ${type}`,
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'The content',
    '--b',
    'Content-Type: application/octet-stream; name=part.asc',
    'Content-Disposition: attachment; filename=part.asc',
    '',
    'abc',
    '--b--',
    '',
  ]);
  expect(message.protection).toBe(protection);
  expect(message.text).toContain('The content');
});

test('an S/MIME envelope is encrypted, its file an attachment', async () => {
  const message = await deliverSource('Envelope', [
    'Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m',
    'Content-Disposition: attachment; filename=smime.p7m',
    'Content-Transfer-Encoding: base64',
    '',
    'AAECAw==',
    '',
  ]);
  expect(message).toMatchObject({ protection: 'SMIME_ENCRYPTED', text: '' });
  await eventually('the file is stored', async () => {
    const { attachments } = await messageOf('Envelope');
    return attachments[0]?.name === 'smime.p7m' && attachments[0].state === 'STORED';
  });
});

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

test('an inline image has an address that shows it without a key, and nothing else', async () => {
  const files = [
    { name: 'logo.png', contentType: 'image/png', contentBytes: PNG.toString('base64'), contentId: 'logo@x' },
    {
      name: 'evil.png',
      contentType: 'image/png',
      contentBytes: Buffer.from('<script>alert(1)</script>').toString('base64'),
      contentId: 'evil@x',
    },
    {
      name: 'a.svg',
      contentType: 'image/svg+xml',
      contentBytes: Buffer.from('<svg onload=alert(1) />').toString('base64'),
      contentId: 'svg@x',
    },
  ];
  await deliver(app.emulator.url, {
    to: address,
    subject: 'Images',
    html: '<p>See <img src="cid:logo@x"><img src="cid:evil@x"><img src="cid:svg@x"></p>',
    attachments: files.map((file) => ({ ...file, isInline: true })),
  });
  await desk.sync(mailboxId);
  const message = await eventually('the images are stored', async () => {
    const found = await messageOf('Images');
    const { attachments } = found;
    return attachments.length === 3 && attachments.every(({ state }) => state === 'STORED') && found;
  });
  expect(message.html).toContain('src="cid:logo@x"');
  expect(message.attachments.map(({ contentTypeMismatch }) => contentTypeMismatch)).toEqual([
    false,
    true,
    false,
  ]);
  const [logo, ...others] = message.inlineImages;
  if (!logo) throw new Error('There is no image.');
  expect(others).toEqual([]); // a web page and a drawing with scripts are no images, whatever they are called
  expect(logo).toMatchObject({ contentId: 'logo@x', attachment: { name: 'logo.png' } });

  const local = (url: string) => url.replace(/^https?:\/\/[^/]+/, app.url);
  const shown = await fetch(local(logo.url));
  expect(shown.status).toBe(200);
  expect(Buffer.from(await shown.arrayBuffer()).equals(PNG)).toBe(true);
  expect(Object.fromEntries(shown.headers)).toMatchObject({
    'content-type': 'image/png',
    'content-disposition': 'inline',
    'content-security-policy': "sandbox; default-src 'none'",
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'cross-origin',
  });

  // Their addresses are not given out; made by hand, with a good signature, they show nothing either.
  const signed = (name: string) => {
    const { id = '' } = message.attachments.find((file) => file.name === name) ?? {};
    const subject = inlineImageSubject(desk.organizationId, decodeId('Attachment', id));
    const { expiresAt, signature } = createLinkSigner([{ name: 'test', key: Buffer.alloc(32, 7) }]).sign(
      subject,
      systemClock.now(),
    );
    const query = { organization: desk.organizationId, expires: String(expiresAt.getTime()), signature };
    return `${app.url}/inline-images/${id}?${new URLSearchParams(query)}`;
  };
  const evil = { url: signed('evil.png') };
  expect((await fetch(signed('logo.png'))).status).toBe(200); // a control
  const refused = {
    'what is no image by its content': evil.url,
    SVG: signed('a.svg'),
    'another image under this signature': logo.url.replace(
      /inline-images\/[^?]+/,
      /inline-images\/[^?]+/.exec(evil.url)?.[0] ?? '',
    ),
    'another organization': logo.url.replace(/organization=[^&]+/, `organization=${crypto.randomUUID()}`),
    'another end': logo.url.replace(/expires=(\d+)/, (_, end) => `expires=${Number(end) - 1}`),
    'no signature': logo.url.replace(/signature=[^&]+/, 'signature='),
    'a broken end': logo.url.replace(/expires=\d+/, 'expires=x'),
    'a broken organization': logo.url.replace(/organization=[^&]+/, "organization='"),
  };
  for (const [what, url] of Object.entries(refused)) {
    expect((await fetch(local(url))).status, what).toBe(404);
  }
});

test('an invitation is read from its calendar file', async () => {
  const calendar = [
    'BEGIN:VCALENDAR',
    'METHOD:REQUEST',
    'BEGIN:VEVENT',
    'ORGANIZER;CN=Carol:mailto:carol@fabrikam.example',
    'DTSTART;TZID=Europe/Berlin:20261121T090000',
    'SUMMARY:Repair',
    'END:VEVENT',
    'END:VCALENDAR',
  ].join('\r\n');
  await deliver(app.emulator.url, {
    to: address,
    subject: 'Invitation',
    attachments: [
      {
        name: 'invite.ics',
        contentType: 'text/calendar; method=REQUEST',
        contentBytes: Buffer.from(calendar).toString('base64'),
      },
    ],
  });
  await desk.sync(mailboxId);
  const { id } = await messageOf('Invitation');
  await eventually('the invitation is told', async () => {
    const { node } = await desk.request<{ node: { invitation: object | null } }>(
      `query ($id: ID!) { node(id: $id) { ... on Message {
         invitation { method summary startsAt organizer { name emailAddress } } } } }`,
      { id },
    );
    if (node.invitation === null) return false;
    expect(node.invitation).toEqual({
      method: 'REQUEST',
      summary: 'Repair',
      startsAt: '2026-11-21T08:00:00.000Z',
      organizer: { name: 'Carol', emailAddress: 'carol@fabrikam.example' },
    });
    return true;
  });
});
