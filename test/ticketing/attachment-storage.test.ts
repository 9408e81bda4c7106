import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkFor } from '../../src/platform/database.ts';
import { createDatabaseStorage } from '../../src/platform/database-storage.ts';
import { type ObjectKey, type ObjectStorage, objectStorages } from '../../src/platform/object-storage.ts';
import { createS3Storage } from '../../src/platform/s3-storage.ts';
import { StoredContent } from '../../src/ticketing/stored-content.entity.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { startBucket, type TestBucket } from '../support/s3.ts';
import { eventually } from '../support/wait.ts';

const MEGABYTE = 1024 * 1024;
const DEADLINE = 90_000;

let bucket: TestBucket;
let app: TestApp;
let desk: Desk;
let mailboxId: string;
let address: string;
beforeAll(async () => {
  bucket = await startBucket();
  app = await startTestApp(
    {},
    {
      env: {
        ...bucket.env,
        DESKGRAPH_MAX_ATTACHMENT_MB: '6',
        DESKGRAPH_MAX_MESSAGE_MB: '8',
        DESKGRAPH_MAX_ATTACHMENTS: '4',
      },
    },
  );
  desk = await app.newDesk();
  ({ mailboxId, address } = await desk.connectMailbox());
  await desk.enable(mailboxId);
});
afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await bucket?.[Symbol.asyncDispose]();
});

interface File {
  name: string;
  state: string;
  contentType: string;
  detectedContentType: string | null;
  contentTypeMismatch: boolean;
  sizeBytes: number;
  sha256: string | null;
  link: string | null;
  downloadUrl: string | null;
  problem: { code: string; message: string; remedy: string } | null;
}

interface TicketWithFiles {
  id: string;
  files: File[];
}

async function ticketOf(subject: string): Promise<TicketWithFiles | null> {
  const { tickets } = await desk.request<{
    tickets: {
      edges: {
        node: { id: string; subject: string; messages: { edges: { node: { attachments: File[] } }[] } };
      }[];
    };
  }>(`{ tickets(first: 50) { edges { node { id subject messages(first: 1) { edges { node { attachments {
    name state contentType detectedContentType contentTypeMismatch sizeBytes sha256 link downloadUrl
    problem { code message remedy } } } } } } } } }`);
  const found = tickets.edges.find(({ node }) => node.subject === subject)?.node;
  return found ? { id: found.id, files: found.messages.edges[0]?.node.attachments ?? [] } : null;
}

/** Waits until `count` files of a mail are settled. */
function settled(subject: string, count: number): Promise<TicketWithFiles> {
  return eventually(`the files of "${subject}" are settled`, async () => {
    const ticket = await ticketOf(subject);
    return (
      ticket !== null &&
      ticket.files.length === count &&
      ticket.files.every(({ state }) => state !== 'PENDING') &&
      ticket
    );
  });
}

function contents(): Promise<StoredContent[]> {
  return forkFor(app.database, desk.organizationId).find(StoredContent, {});
}

const file = (name: string, content: Buffer, contentType = 'application/octet-stream') => ({
  name,
  contentType,
  contentBytes: content.toString('base64'),
});

async function send(subject: string, attachments: ReturnType<typeof file>[]): Promise<void> {
  await deliver(app.emulator.url, { to: address, subject, attachments });
  await desk.sync(mailboxId);
}

const download = (url: string | null | undefined, headers: Record<string, string> = {}) =>
  fetch((url ?? '').replace(/^https?:\/\/[^/]+/, app.url), {
    headers: { authorization: `Bearer ${desk.apiKey}`, ...headers },
  });

test(
  'files go to the bucket, once for each content, and come back whole and in parts',
  async () => {
    const content = Buffer.from(Array.from({ length: 5 * MEGABYTE + 321 }, (_, index) => (index * 7) % 251));
    await send('First', [file('report.bin', content)]);
    await send('Second', [file('copy.bin', content)]);
    const [first, second] = [await settled('First', 1), await settled('Second', 1)];
    for (const [stored] of [first.files, second.files]) {
      expect(stored).toMatchObject({
        state: 'STORED',
        sizeBytes: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
      });
      const whole = await download(stored?.downloadUrl);
      expect(Buffer.from(await whole.arrayBuffer()).equals(content)).toBe(true);
      const part = await download(stored?.downloadUrl, { range: 'bytes=1000000-1000099' });
      expect(part.status).toBe(206);
      expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(1_000_000, 1_000_100))).toBe(true);
    }
    // The second upload is thrown away after its file refers to the first.
    await eventually('one content is left', async () => (await contents()).length === 1);
    expect(await contents()).toMatchObject([{ storage: 'S3', state: 'STORED' }]);
    const [row] = await forkFor(app.database, desk.organizationId).execute<object[]>(
      'select from object_chunk limit 1',
    );
    expect(row).toBeUndefined();

    // The content goes with the last ticket that has it.
    const key: ObjectKey = { organizationId: desk.organizationId, id: (await contents())[0]?.id ?? '' };
    const inBucket = createS3Storage(bucket.settings);
    const remove = (id: string) =>
      desk.request('mutation ($id: ID!) { deleteTicket(input: { ticketId: $id }) { __typename } }', { id });
    await remove(first.id);
    await eventually('the content was looked at', async () =>
      (await contents()).every((one) => !one.isReleased),
    );
    expect((await download(second.files[0]?.downloadUrl)).status).toBe(200);
    await remove(second.id);
    await eventually('the content is gone', async () => (await contents()).length === 0);
    expect(await inBucket.exists(key)).toBe(false);
  },
  DEADLINE,
);

test(
  'what is in the database stays readable with a bucket',
  async () => {
    await send('Moved', [file('old.txt', Buffer.from('from before the bucket'))]);
    const { files } = await settled('Moved', 1);
    // As if it had been stored before: the row says where it lies, not the configuration.
    const found = (await contents()).find(({ sizeBytes }) => sizeBytes === 22);
    const key = { organizationId: desk.organizationId, id: found?.id ?? '' };
    const storages = objectStorages(createS3Storage(bucket.settings), createDatabaseStorage(app.database));
    const old: ObjectStorage = storages.of('DATABASE');
    await old.put(key, storages.primary.open(key, { start: 0, end: 21 }));
    await storages.primary.delete(key);
    expect((await download(files[0]?.downloadUrl)).status).toBe(404); // a control
    await forkFor(app.database, desk.organizationId).execute(
      `update stored_content set storage = 'DATABASE' where organization_id = ? and id = ?`,
      [desk.organizationId, key.id],
    );
    expect(await (await download(files[0]?.downloadUrl)).text()).toBe('from before the bucket');
  },
  DEADLINE,
);

test(
  'a bucket that is away fails no file: downloads say so, and new files wait for it',
  async () => {
    await send('Before', [file('before.txt', Buffer.from('before'))]);
    const { files } = await settled('Before', 1);
    await bucket.stop();
    const refused = await download(files[0]?.downloadUrl);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: 'STORAGE_UNAVAILABLE' } }] });
    await send('During', [file('during.txt', Buffer.from('during'))]);
    expect((await fetch(`${app.url}/readyz`)).status).toBe(200);
    const job = () =>
      forkFor(app.database, desk.organizationId).execute<{ attempts: number }[]>(
        `select attempts from graphile_worker.jobs
       where task_identifier = 'ticketing.store-attachments' and run_at > now() + interval '5 seconds'`,
      );
    // The try did not count: a new job waits, with all its tries.
    expect(await eventually('the file waits', async () => (await job())[0])).toEqual({ attempts: 0 });
    await bucket.start();
    await forkFor(app.database, desk.organizationId).execute(
      `select graphile_worker.reschedule_jobs(array_agg(id), run_at := now()) from graphile_worker.jobs
     where task_identifier = 'ticketing.store-attachments'`,
    );
    expect((await settled('During', 1)).files).toMatchObject([{ state: 'STORED', problem: null }]);
  },
  DEADLINE,
);

test(
  'what is over a limit stays as a row that says why, how large it was, and what to do',
  async () => {
    await send('Large', [
      file('first.bin', Buffer.alloc(5 * MEGABYTE, 1)),
      file('alone.bin', Buffer.alloc(7 * MEGABYTE, 2)),
      file('together.bin', Buffer.alloc(4 * MEGABYTE, 3)),
      file('small.txt', Buffer.from('small')),
      file('fifth.txt', Buffer.from('fifth')),
      file('sixth.txt', Buffer.from('sixth')),
    ]);
    const { files } = await settled('Large', 5);
    expect(files.map(({ name, state, problem }) => [name, state, problem?.code ?? null])).toEqual([
      ['first.bin', 'STORED', null],
      ['alone.bin', 'TOO_LARGE', 'ATTACHMENT_TOO_LARGE'],
      ['together.bin', 'TOO_LARGE', 'ATTACHMENTS_TOO_LARGE'],
      ['small.txt', 'STORED', null],
      ['2 more', 'FAILED', 'TOO_MANY_ATTACHMENTS'],
    ]);
    expect(files[1]?.problem?.message).toContain('about 7 MB');
    expect(files[1]?.problem?.message).toContain('the 6 MB');
    expect(files[1]?.problem?.remedy).toContain('DESKGRAPH_MAX_ATTACHMENT_MB');
    expect(files[2]?.problem?.message).toContain('the 8 MB');
    expect(files[1]).toMatchObject({ sizeBytes: 7 * MEGABYTE, downloadUrl: null });
  },
  DEADLINE,
);

test(
  'what a file is, its content tells; what it is called changes nothing about how it is served',
  async () => {
    await send('Disguised', [
      file('photo.png', Buffer.from('<svg onload="alert(1)"/>'), 'image/png'),
      file('invoice\u202Efdp.exe', Buffer.concat([Buffer.from('MZ'), Buffer.alloc(100)]), 'application/pdf'),
      file('page.html', Buffer.from('<!doctype html><script>alert(1)</script>'), 'text/html'),
    ]);
    const { files } = await settled('Disguised', 3);
    expect(
      files.map(({ name, detectedContentType, contentTypeMismatch }) => [
        name,
        detectedContentType,
        contentTypeMismatch,
      ]),
    ).toEqual([
      ['photo.png', 'image/svg+xml', true],
      ['invoice_fdp.exe', 'application/x-msdownload', true],
      ['page.html', 'text/html', false],
    ]);
    for (const { downloadUrl } of files) {
      const { headers } = await download(downloadUrl);
      expect(Object.fromEntries(headers)).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-disposition': expect.stringMatching(/^attachment; /),
        'content-security-policy': "sandbox; default-src 'none'",
        'x-content-type-options': 'nosniff',
      });
    }
  },
  DEADLINE,
);

test(
  'winmail.dat is kept, and says what it is and what the sender can change',
  async () => {
    const tnef = Buffer.from([0x78, 0x9f, 0x3e, 0x22, 1, 0, 1, 6, 0x90, 8, 0]);
    await send('Winmail', [file('winmail.dat', tnef)]);
    const { files } = await settled('Winmail', 1);
    expect(files).toMatchObject([
      {
        state: 'STORED',
        detectedContentType: 'application/ms-tnef',
        problem: { code: 'OUTLOOK_CONTAINER', remedy: expect.stringContaining('Set-RemoteDomain') },
      },
    ]);
    expect((await download(files[0]?.downloadUrl)).status).toBe(200);
  },
  DEADLINE,
);

test(
  'a link to a file in the cloud is a link: there is nothing to download, and it says where to look',
  async () => {
    await deliver(app.emulator.url, {
      to: address,
      subject: 'Linked',
      attachments: [{ name: 'plans.xlsx', contentBytes: '', kind: 'reference' }],
    });
    await desk.sync(mailboxId);
    const { files } = await settled('Linked', 1);
    expect(files).toMatchObject([
      {
        name: 'plans.xlsx',
        state: 'LINK',
        link: null, // version 1.0 of Graph does not tell it
        downloadUrl: null,
        problem: { code: 'ATTACHMENT_LINK_UNKNOWN' },
      },
    ]);
  },
  DEADLINE,
);

test(
  'a mail in a mail is an .eml file that holds all of it',
  async () => {
    const source = [
      'From: Carol <carol@fabrikam.example>',
      `To: ${address}`,
      'Subject: Outer',
      'Message-ID: <outer@fabrikam.example>',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: text/plain',
      '',
      'See the mail inside.',
      '--b',
      'Content-Type: message/rfc822',
      'Content-Disposition: attachment',
      '',
      'From: Dave <dave@fabrikam.example>',
      'To: carol@fabrikam.example',
      'Subject: The inner one: a/b',
      'Message-ID: <inner@fabrikam.example>',
      '',
      'Inner text.',
      '--b--',
      '',
    ].join('\r\n');
    await fetch(`${app.emulator.url}/_emulator/mail?to=${address}`, {
      method: 'POST',
      headers: { 'content-type': 'message/rfc822' },
      body: source,
    });
    await desk.sync(mailboxId);
    const { files } = await settled('Outer', 1);
    expect(files).toMatchObject([
      { state: 'STORED', contentType: 'message/rfc822', contentTypeMismatch: false },
    ]);
    expect(files[0]?.name).toMatch(/\.eml$/);
    const eml = await (await download(files[0]?.downloadUrl)).text();
    expect(eml).toContain('Subject: The inner one: a/b');
    expect(eml).toContain('Inner text.');
  },
  DEADLINE,
);

test(
  'asking for the headers only reads nothing from the bucket: however many ask, the next file still comes',
  async () => {
    await send('Headers only', [file('large.bin', Buffer.alloc(3 * MEGABYTE, 3))]);
    const { files } = await settled('Headers only', 1);
    const url = (files[0]?.downloadUrl ?? '').replace(/^https?:\/\/[^/]+/, app.url);
    for (let times = 0; times < 60; times += 1) {
      const answer = await fetch(url, {
        method: 'HEAD',
        headers: { authorization: `Bearer ${desk.apiKey}` },
        signal: AbortSignal.timeout(15_000),
      });
      expect([answer.status, answer.headers.get('content-length')]).toEqual([200, String(3 * MEGABYTE)]);
    }
    const whole = await download(files[0]?.downloadUrl);
    expect((await whole.arrayBuffer()).byteLength).toBe(3 * MEGABYTE);
  },
  DEADLINE,
);
