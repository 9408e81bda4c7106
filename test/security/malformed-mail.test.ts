import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';

/*
 * Mail as nobody should write it, through the emulator and the real ingest. Each must end as one ledger row and one message,
 * or be refused where it was handed in; nothing may be half there.
 */

const SEED = 20_261_121;
let app: TestApp;
let desk: Desk;
let mailboxId: string;
let address: string;
const log: string[] = [];
beforeAll(async () => {
  app = await startTestApp({}, { logger: createLogger('warn', { write: (line) => void log.push(line) }) });
  desk = await app.newDesk();
  ({ mailboxId, address } = await desk.connectMailbox());
  await desk.enable(mailboxId);
});
afterAll(() => app?.[Symbol.asyncDispose]());

let accepted = 0;

/** Hands in a mail as it is; whether it was taken. */
async function handIn(given: string | Buffer): Promise<void> {
  const bytes = typeof given === 'string' ? Buffer.from(given, 'latin1') : given;
  // Exchange has a sender for every mail, and so has the emulator.
  const mail = /^from:/im.test(bytes.toString('latin1'))
    ? bytes
    : Buffer.concat([Buffer.from('From: Mallory <mallory@evil.example>\r\n'), bytes]);
  const response = await fetch(`${app.emulator.url}/_emulator/mail?to=${encodeURIComponent(address)}`, {
    method: 'POST',
    headers: { 'content-type': 'message/rfc822' },
    body: Uint8Array.from(mail),
  });
  if (response.status === 201) accepted += 1;
  else expect([response.status, await response.text()]).toEqual([400, expect.any(String)]);
}

/** Syncs, and checks that what was taken is there, whole. */
async function expectWhole(): Promise<void> {
  const run = await desk.sync(mailboxId);
  expect(run).toMatchObject({ state: 'SUCCEEDED', failed: 0, problem: null });
  const [counts] = await forkAcrossOrganizations(app.database).execute<Record<string, number>[]>(
    `select (select count(*)::int from inbound_message) as ledger,
       (select count(*)::int from inbound_message where outcome = 'FAILED' or explanation = '') as failed,
       (select count(*)::int from message) as messages,
       (select count(distinct message_id)::int from inbound_message where message_id is not null) as stored,
       (select count(*)::int from ticket where not exists (select from message where ticket_id = ticket.id)) as empty,
       (select count(*)::int from ticket) as tickets,
       (select next_ticket_number - 1 from organization where id = ?) as numbers`,
    [desk.organizationId],
  );
  expect(counts).toMatchObject({ ledger: accepted, failed: 0, empty: 0, stored: counts?.['messages'] });
  expect(counts?.['numbers']).toBe(counts?.['tickets']);
}

const LONG = 'x'.repeat(100_000);
const boundary = (depth: number): string =>
  Array.from(
    { length: depth },
    (_, i) => `--b${i}\r\nContent-Type: multipart/mixed; boundary=b${i + 1}\r\n\r\n`,
  ).join('');

const ODD_MAILS: [string, () => string | Buffer][] = [
  ['empty', () => ''],
  ['no header', () => '\r\n\r\nbody'],
  ['no body', () => 'Subject: x'],
  ['NULs everywhere', () => 'Sub\0ject: a\0b\r\nFrom: \0@\0\r\nMessage-ID: <\0@\0>\r\n\r\na\0b\0'],
  ['huge subject', () => `Subject: ${LONG}\r\nFrom: a@b.example\r\n\r\nx`],
  ['huge header', () => `X-Long: ${LONG.repeat(10)}\r\nSubject: x\r\n\r\nx`],
  ['ten thousand headers', () => `${'X-A: b\r\n'.repeat(10_000)}\r\nx`],
  ['huge references', () => `Subject: x\r\nReferences: ${'<a@b.example> '.repeat(20_000)}\r\n\r\nx`],
  [
    'a reference to itself',
    () =>
      'Message-ID: <self@b.example>\r\nIn-Reply-To: <self@b.example>\r\nReferences: <self@b.example>\r\n\r\nx',
  ],
  [
    'five thousand recipients',
    () =>
      `To: ${Array.from({ length: 5_000 }, (_, i) => `p${i}@b.example`).join(', ')}\r\nSubject: many\r\n\r\nx`,
  ],
  [
    'unknown charset',
    () => 'Subject: =?x-none?B?/////w==?=\r\nContent-Type: text/plain; charset=x-none\r\n\r\n\xff\xfe\xfd',
  ],
  [
    'wrong charset',
    () =>
      'Subject: =?utf-8?B?/////w==?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xff\xfe\xed\xa0\x80',
  ],
  [
    'UTF-7 script',
    () => 'Content-Type: text/html; charset=utf-7\r\n\r\n+ADw-script+AD4-alert(1)+ADw-/script+AD4-',
  ],
  [
    'UTF-16',
    () =>
      Buffer.concat([
        Buffer.from('Content-Type: text/plain; charset=utf-16le\r\n\r\n'),
        Buffer.from('\ud800x\0', 'utf16le'),
      ]),
  ],
  [
    'broken base64',
    () => 'Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!====%%%%PGI+\0',
  ],
  ['broken quoted-printable', () => 'Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ=\r\n=0=00=D8=00'],
  ['multipart a thousand deep', () => `Content-Type: multipart/mixed; boundary=b0\r\n\r\n${boundary(1_000)}`],
  ['multipart without a boundary', () => 'Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx\r\n----'],
  ['a mail in a mail in a mail', () => 'Content-Type: message/rfc822\r\n\r\n'.repeat(100)],
  [
    'five thousand parts',
    () => `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(5_000)}--b--`,
  ],
  [
    'attachments named badly',
    () =>
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment; filename="../../\0a\r\n\tb"\r\n\r\nx\r\n--b\r\nContent-Disposition: attachment; filename*=utf-8''%00%ff%2e%2e%2f\r\nContent-Type: a/b/c;;;\r\n\r\n\r\n--b--`,
  ],
  ['a date that is none', () => 'Date: Thu, 99 Foo 99999 99:99:99 +9999\r\nSubject: x\r\n\r\nx'],
  ['a date before everything', () => 'Date: Mon, 1 Jan 0000 00:00:00 +0000\r\nSubject: x\r\n\r\nx'],
  ['no address in From', () => 'From: "Somebody" <>\r\nSubject: x\r\n\r\nx'],
  ['groups in From', () => 'From: undisclosed:;, "a" <b>, <c@d.example>\r\nSubject: x\r\n\r\nx'],
  [
    'right-to-left and zero width',
    () => Buffer.from('Subject: a\u202Eb\u200Bc\uFEFF\u2028d\r\nFrom: "\u202E" <a@b.example>\r\n\r\n\u2066'),
  ],
  ['all the ticket tokens', () => `Subject: ${'[#1] [#999999999] [#0] '.repeat(2_000)}\r\n\r\nx`],
  ['a thousand prefixes', () => `Subject: ${'Re: AW: Fwd: '.repeat(1_000)}x\r\n\r\nx`],
  ['10 MB of HTML', () => `Content-Type: text/html\r\n\r\n${'<p>x</p>'.repeat(1_300_000)}`],
  ['HTML a hundred thousand deep', () => `Content-Type: text/html\r\n\r\n${'<div>'.repeat(100_000)}x`],
  ['HTML that is all attributes', () => `Content-Type: text/html\r\n\r\n<p ${'a=b '.repeat(100_000)}>x`],
  [
    'HTML that never ends',
    () => `Content-Type: text/html\r\n\r\n${'<!--'.repeat(50_000)}${'<a href="'.repeat(10_000)}`,
  ],
  [
    'text that the reply parser likes',
    () => `\r\n\r\n${'On Mon, somebody wrote\n'.repeat(5_000)}${'> '.repeat(20_000)}${'_'.repeat(30_000)}`,
  ],
  ['spaces', () => `Subject: ${' '.repeat(50_000)}x\r\n\r\n${' '.repeat(200_000)}x`],
];

test.each(ODD_MAILS)('a mail is taken whole or refused: %s', async (_, mail) => {
  await handIn(mail());
  await expectWhole();
});

const token = fc.oneof(
  fc.constantFrom(
    '\0',
    '\xff',
    '=?utf-8?B?',
    '?=',
    '=?',
    '=',
    '"',
    '<',
    '>',
    '@',
    ',',
    ';',
    ':',
    '\r\n ',
    '(',
    ')',
    '\\',
    '<a@b.example>',
    'multipart/mixed',
    'text/html',
    'boundary=b',
    'charset=utf-8',
    'base64',
    '--b',
    '[#1]',
    'Re:',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }).map((text) => Buffer.from(text).toString('latin1')),
);
const line = fc.array(token, { maxLength: 8 }).map((pieces) => pieces.join(' '));
const headers = fc.constantFrom(
  'Subject',
  'From',
  'To',
  'Cc',
  'Date',
  'Message-ID',
  'In-Reply-To',
  'References',
  'Content-Type',
  'Content-Transfer-Encoding',
  'Content-Disposition',
  'Content-ID',
  'Reply-To',
  '',
  'X\0',
);
const generated = fc
  .tuple(fc.array(fc.tuple(headers, line), { maxLength: 10 }), fc.array(line, { maxLength: 20 }))
  .map(
    ([head, body]) =>
      `${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body.join('\r\n')}`,
  );

test('generated mails are taken whole or refused', async () => {
  for (const mail of fc.sample(generated, { seed: SEED, numRuns: 300 })) await handIn(mail);
  await expectWhole();
});

interface Listed {
  inboundMessages: { edges: { cursor: string }[]; pageInfo: { hasNextPage: boolean } };
}

test('everything that came can be read, and nothing was an unexpected error', async () => {
  let after: string | null = null;
  let read = 0;
  do {
    const { inboundMessages }: Listed = await desk.request<Listed>(
      `query ($after: String) { inboundMessages(first: 20, after: $after) { pageInfo { hasNextPage } edges { cursor node {
         subject from internetMessageId receivedAt reason explanation ticket { subject requester { name emailAddress } }
         message { subject html text strippedText sentAt from { name emailAddress } to { emailAddress }
           attachments { name contentType sizeBytes state problem { code } } } } } } }`,
      { after },
    );
    read += inboundMessages.edges.length;
    after = inboundMessages.pageInfo.hasNextPage ? (inboundMessages.edges.at(-1)?.cursor ?? null) : null;
  } while (after !== null);
  expect(read).toBe(accepted);
  expect(accepted).toBeGreaterThan(100);
  expect((await fetch(`${app.url}/readyz`)).status).toBe(200);
  expect(log.filter((entry) => JSON.parse(entry).level >= 50)).toEqual([]);
});
