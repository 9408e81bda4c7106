import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DeltaPage, MailApi, MailboxAccess } from '../../src/microsoft365/mail.ts';
import { DAY, systemClock } from '../../src/platform/clock.ts';
import { SLOW_MACHINE } from '../support/wait.ts';
import { type Stage, startStage } from './harness.ts';

let stage: Stage;
let mail: MailApi;
beforeAll(async () => {
  stage = await startStage({ random: () => 0 });
  mail = stage.microsoft365.mail;
});
afterAll(() => stage[Symbol.asyncDispose]());

let signal: AbortSignal;
beforeEach(() => {
  signal = AbortSignal.timeout(SLOW_MACHINE);
});
const yesterday = () => new Date(systemClock.now().getTime() - DAY);

/** Reads a round to its end. */
async function round(access: MailboxAccess, from: string | Date, oneByOne = false): Promise<DeltaPage[]> {
  const pages: DeltaPage[] = [];
  const folderId = 'inbox';
  let request: Parameters<MailApi['readDelta']>[1] =
    typeof from === 'string' ? { folderId, cursor: from } : { folderId, receivedFrom: from, oneByOne };
  for (;;) {
    const page = await mail.readDelta(access, request, signal);
    pages.push(page);
    if (page.isLastPage) return pages;
    request = { folderId, cursor: page.cursor };
  }
}
const lastCursor = (pages: DeltaPage[]) => pages.at(-1)?.cursor ?? '';
const idsOf = (pages: DeltaPage[]) => pages.flatMap(({ mails }) => mails.map((one) => one.graphMessageId));

describe('delta', () => {
  test('gives every mail once over pages of 100, then only what is new', async () => {
    const { access } = await stage.mailbox();
    const posted = (await stage.control(
      'POST',
      '/mail',
      Array.from({ length: 230 }, (_, index) => ({
        to: access.emailAddress,
        from: 'carol@fabrikam.example',
        subject: `Number ${index}`,
        text: 'Hello',
      })),
    )) as { immutableId: string }[];
    const counter = { requests: 0 };
    const first = await mail
      .withCounter(counter)
      .readDelta(access, { folderId: 'inbox', receivedFrom: yesterday() }, signal);
    expect(first.mails.length).toBe(100);
    expect(counter.requests).toBe(1);
    const rest = await round(access, first.cursor);
    expect([...idsOf([first]), ...idsOf(rest)].sort()).toEqual(posted.map((one) => one.immutableId).sort());
    const fresh = await stage.post(access.emailAddress);
    expect(idsOf(await round(access, lastCursor(rest)))).toEqual([fresh]);
  });

  test('leaves out what was received before', async () => {
    const { access } = await stage.mailbox();
    await stage.post(access.emailAddress, { receivedDateTime: '2020-01-01T00:00:00Z' });
    const fresh = await stage.post(access.emailAddress);
    expect(idsOf(await round(access, yesterday()))).toEqual([fresh]);
  });

  test('gives a mail in our own words, with the ids of the conversation', async () => {
    const { access } = await stage.mailbox();
    const id = await stage.post(access.emailAddress, {
      from: 'Carol Customer <Carol@Fabrikam.example>',
      cc: 'Dave <dave@fabrikam.example>',
      subject: 'Re: Printer',
      html: '<p>Still <b>burning</b></p>',
      messageId: '<three@fabrikam.example>',
      inReplyTo: '<two@contoso.example>',
      references: '<one@fabrikam.example>\r\n <two@contoso.example>',
      headers: { 'X-Loop': 'no' },
    });
    const [page] = await round(access, yesterday());
    expect(page?.mails).toEqual([
      expect.objectContaining({
        graphMessageId: id,
        internetMessageId: '<three@fabrikam.example>',
        conversationId: expect.any(String),
        subject: 'Re: Printer',
        from: { name: 'Carol Customer', emailAddress: 'carol@fabrikam.example' },
        to: [expect.objectContaining({ emailAddress: access.emailAddress })],
        cc: [{ name: 'Dave', emailAddress: 'dave@fabrikam.example' }],
        receivedAt: expect.any(Date),
        isDraft: false,
        body: { contentType: 'html', content: expect.stringContaining('<b>burning</b>') },
        inReplyTo: ['<two@contoso.example>'],
        references: ['<one@fabrikam.example>', '<two@contoso.example>'],
        headers: expect.arrayContaining([{ name: 'X-Loop', value: 'no' }]),
      }),
    ]);
  });

  test('says that a cursor has expired, with an error of its own', async () => {
    const { access } = await stage.mailbox();
    const cursor = lastCursor(await round(access, yesterday()));
    await stage.control('POST', '/delta/expire', {});
    await expect(mail.readDelta(access, { folderId: 'inbox', cursor }, signal)).rejects.toMatchObject({
      name: 'DeltaExpiredError',
      code: 'DELTA_EXPIRED',
      isTransient: false,
    });
  });

  test('says that the folder does not exist', async () => {
    const { access } = await stage.mailbox();
    const request = { folderId: 'AAMkNoSuchFolder', receivedFrom: yesterday() };
    await expect(mail.readDelta(access, request, signal)).rejects.toMatchObject({ code: 'FOLDER_NOT_FOUND' });
  });

  test('a damaged mail: everything before it comes, then PAGE_UNREADABLE, and one by one it stays alone', async () => {
    const { access } = await stage.mailbox();
    const ids: string[] = [];
    for (let index = 0; index < 40; index += 1) ids.push(await stage.post(access.emailAddress));
    const corrupt = ids[33] ?? '';
    await stage.control('PUT', `/mailboxes/${access.emailAddress}/quirks`, { corruptMessages: [corrupt] });

    const seen: string[] = [];
    let request: Parameters<MailApi['readDelta']>[1] = { folderId: 'inbox', receivedFrom: yesterday() };
    let failure: unknown = null;
    while (failure === null) {
      try {
        const page = await mail.readDelta(access, request, signal);
        seen.push(...idsOf([page]));
        request = { folderId: 'inbox', cursor: page.cursor };
      } catch (error) {
        failure = error;
      }
    }
    expect(failure).toMatchObject({ code: 'PAGE_UNREADABLE', microsoftCode: 'ErrorInternalServerError' });
    expect(seen).toEqual(ids.slice(0, 33));

    const pages = await round(access, yesterday(), true);
    expect(idsOf(pages)).toEqual(ids.filter((id) => id !== corrupt));
    expect(pages.flatMap(({ unreadable }) => unreadable)).toEqual([
      { graphMessageId: corrupt, problem: expect.objectContaining({ code: 'GRAPH_UNAVAILABLE' }) },
    ]);
    const fresh = await stage.post(access.emailAddress);
    expect(idsOf(await round(access, lastCursor(pages)))).toEqual([fresh]);
  });

  test('a page that is too large to hold is read in smaller parts, and a mail that is stays alone', async () => {
    const { access } = await stage.mailbox();
    const ids: string[] = [];
    for (let index = 0; index < 30; index += 1) {
      const text = 'x'.repeat(index === 12 ? 300_000 : 20_000);
      ids.push(await stage.post(access.emailAddress, { text }));
    }
    const { mail: small } = stage.anotherProcess({ largestAnswerBytes: 280_000 });
    const request = { folderId: 'inbox', receivedFrom: yesterday() };
    const first = await small.readDelta(access, request, signal);
    expect(first.mails.length).toBe(5);
    const oneByOne = await small.readDelta(access, { ...request, oneByOne: true }, signal);
    expect(idsOf([oneByOne])).toEqual(ids.filter((_, index) => index !== 12));
    expect(oneByOne.unreadable).toEqual([
      { graphMessageId: ids[12], problem: expect.objectContaining({ code: 'ANSWER_TOO_LARGE' }) },
    ]);
  });

  test('does not follow a cursor that leads to another host', async () => {
    const { access } = await stage.mailbox();
    const cursor = 'http://127.0.0.1:9/v1.0/me/mailFolders/inbox/messages/delta?$deltatoken=x';
    await expect(mail.readDelta(access, { folderId: 'inbox', cursor }, signal)).rejects.toMatchObject({
      code: 'FOREIGN_LINK',
    });
  });
});

describe('folders', () => {
  test('the tree comes with paths, parents before children, and names for all languages', async () => {
    const { access } = await stage.mailbox();
    const folder = await mail.createFolder(access, 'Projects', signal);
    const path = `/v1.0/users/${access.emailAddress}/mailFolders`;
    expect(path).toContain(access.emailAddress);
    const folders = await mail.listFolders(access, signal);
    expect(folders).toContainEqual(
      expect.objectContaining({ id: folder.id, displayName: 'Projects', path: 'Projects', parentId: null }),
    );
    expect(folders.find(({ wellKnownName }) => wellKnownName === 'inbox')).toMatchObject({
      displayName: 'Inbox',
    });
  });

  test('a folder is found by its id and by its name for all languages', async () => {
    const { access } = await stage.mailbox();
    const inbox = await mail.getFolder(access, 'inbox', signal);
    expect(inbox).toMatchObject({ wellKnownName: 'inbox', parentId: null, path: 'Inbox', totalItemCount: 0 });
    expect(await mail.getFolder(access, inbox?.id ?? '', signal)).toEqual(inbox);
    expect(await mail.getFolder(access, 'AAMkNoSuchFolder', signal)).toBeNull();
  });

  test('creating a folder that exists gives the one that exists', async () => {
    const { access } = await stage.mailbox();
    const created = await mail.createFolder(access, 'processed-by-deskgraph', signal);
    expect(await mail.createFolder(access, 'Processed-By-Deskgraph', signal)).toEqual(created);
  });

  test('a mailbox that the account may not open says so', async () => {
    const { access } = await stage.mailbox();
    const foreign: MailboxAccess = { ...access, emailAddress: 'mia@contoso.example', kind: 'SHARED' };
    await expect(mail.listFolders(foreign, signal)).rejects.toMatchObject({
      code: 'MAILBOX_ACCESS_DENIED',
      requestId: expect.any(String),
    });
  });

  test('a mailbox that does not exist says so', async () => {
    const { access } = await stage.mailbox();
    const nobody: MailboxAccess = { ...access, emailAddress: 'nobody@contoso.example', kind: 'SHARED' };
    await expect(mail.listFolders(nobody, signal)).rejects.toMatchObject({ code: 'MAILBOX_NOT_FOUND' });
  });

  test('an account without a mailbox says so', async () => {
    const tenancy = await stage.tenancy();
    const account = await stage.connect(tenancy, 'nora@contoso.example');
    const access: MailboxAccess = {
      organizationId: tenancy.organizationId,
      accountId: account.id,
      emailAddress: account.emailAddress,
      kind: 'PRIMARY',
    };
    await expect(mail.getFolder(access, 'inbox', signal)).rejects.toMatchObject({
      code: 'MAILBOX_NOT_ENABLED',
    });
  });

  test('a shared mailbox opens for who may open it', async () => {
    const tenancy = await stage.tenancy();
    const account = await stage.connect(tenancy, 'sam@contoso.example', { purpose: 'SHARED_MAILBOXES' });
    const access: MailboxAccess = {
      organizationId: tenancy.organizationId,
      accountId: account.id,
      emailAddress: 'support@contoso.example',
      kind: 'SHARED',
    };
    const id = await stage.post('support@contoso.example');
    expect(idsOf(await round(access, yesterday()))).toContain(id);
  });
});

describe('reports on delivery', () => {
  async function postReport(address: string, name: string): Promise<string> {
    const source = [
      'From: mailer-daemon@x.example',
      `To: ${address}`,
      `Subject: Undeliverable ${name}`,
      `Message-ID: <${name}-${crypto.randomUUID()}@x.example>`,
      'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
      '',
      '--b',
      'Content-Type: text/plain',
      '',
      'Not delivered.',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      `Final-Recipient: rfc822; ${name}@x.example`,
      'Action: failed',
      '--b--',
      '',
    ].join('\r\n');
    const answer = await fetch(`${stage.emulator.url}/_emulator/mail?to=${address}`, {
      method: 'POST',
      headers: { 'content-type': 'message/rfc822' },
      body: source,
    });
    expect(answer.ok).toBe(true);
    return name;
  }
  const fault = (mailbox: string, more: Record<string, unknown>) =>
    stage.control('POST', '/faults', { mailbox, pathPattern: '/\\$value', ...more });
  const reportOf = (pages: DeltaPage[], name: string) =>
    pages.flatMap(({ mails }) => mails).find(({ subject }) => subject.endsWith(` ${name}`))?.report;

  test('come with their source, several at once: a flood of bounces does not cost one wait after the other', async () => {
    const { access } = await stage.mailbox();
    for (let index = 0; index < 9; index += 1) await postReport(access.emailAddress, `lost-${index}`);
    await fault(access.emailAddress, { latencyMs: 1_000 });
    const begin = performance.now();
    const pages = await round(access, yesterday());
    expect(performance.now() - begin).toBeLessThan(8_000);
    for (let index = 0; index < 9; index += 1) {
      expect(reportOf(pages, `lost-${index}`)).toContain(`rfc822; lost-${index}@x.example`);
    }
  });

  test('whose source Microsoft does not give out come without it, and stop no page', async () => {
    const { access } = await stage.mailbox();
    await postReport(access.emailAddress, 'odd');
    await fault(access.emailAddress, { status: 503 });
    const ordinary = await stage.post(access.emailAddress);
    const pages = await round(access, yesterday());
    expect(idsOf(pages)).toContain(ordinary);
    expect(idsOf(pages)).toHaveLength(2);
    expect(reportOf(pages, 'odd')).toBeUndefined();
  });

  test('that take too long come without their source: the mail of the page does not wait behind them', async () => {
    const { access } = await stage.mailbox();
    for (let index = 0; index < 7; index += 1) await postReport(access.emailAddress, `slow-${index}`);
    await fault(access.emailAddress, { latencyMs: 50_000 });
    const begin = performance.now();
    expect(idsOf(await round(access, yesterday()))).toHaveLength(7);
    expect(performance.now() - begin).toBeLessThan(40_000);
  });

  test('are read again when Microsoft asks for quiet', async () => {
    const { access } = await stage.mailbox();
    await postReport(access.emailAddress, 'quiet');
    await fault(access.emailAddress, { status: 429, retryAfterSeconds: 30, count: 1 });
    await expect(round(access, yesterday())).rejects.toMatchObject({ code: 'THROTTLED' });
  });
});

describe('attachments', () => {
  test('are described without their content, and streamed byte for byte', async () => {
    const { access } = await stage.mailbox();
    const content = Buffer.alloc(700_000, 'deskgraph ');
    const id = await stage.post(access.emailAddress, {
      html: '<img src="cid:logo@1">',
      attachments: [
        { name: 'big.bin', contentBytes: content.toString('base64') },
        {
          name: 'logo.png',
          contentType: 'image/png',
          contentBytes: 'aGk=',
          isInline: true,
          contentId: 'logo@1',
        },
      ],
    });
    const attachments = await mail.listAttachments(access, id, signal);
    expect(attachments).toEqual([
      expect.objectContaining({ kind: 'FILE', name: 'big.bin', sizeBytes: 700_000, isInline: false }),
      expect.objectContaining({
        name: 'logo.png',
        contentType: 'image/png',
        contentId: 'logo@1',
        isInline: true,
      }),
    ]);
    const stream = await mail.readAttachment(access, id, attachments[0]?.graphAttachmentId ?? '', signal);
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
  });

  test('of many mails are listed in one request for twenty, and a mail that is gone stays alone', async () => {
    const { access } = await stage.mailbox();
    const ids: string[] = [];
    for (let index = 0; index < 24; index += 1) {
      const attachments = [{ name: `${index}.txt`, contentBytes: 'aGk=' }];
      ids.push(await stage.post(access.emailAddress, { attachments }));
    }
    const counter = { requests: 0 };
    const asked = [...ids, 'AAMkNoSuchMail'];
    const listings = await mail.withCounter(counter).listAttachmentsOfMany(access, asked, signal);
    expect(counter.requests).toBe(2);
    expect([...listings.keys()]).toEqual(asked);
    expect(listings.get(ids[23] ?? '')).toEqual([expect.objectContaining({ name: '23.txt' })]);
    expect(listings.get('AAMkNoSuchMail')).toMatchObject({ code: 'ITEM_NOT_FOUND' });
  });

  test.each([
    ['text/plain', '\r\nno trailing newline, ümlaut'],
    ['application/json', '{ "spaces":   1 , "a": 1, "a": 2 }'],
    ['application/octet-stream', '\u0000\u0001'],
    ['text/plain', ''],
  ])('small files of type %s come byte for byte, twenty in a request', async (contentType, text) => {
    const { access } = await stage.mailbox();
    const contentBytes = Buffer.from(text).toString('base64');
    const graphMessageId = await stage.post(access.emailAddress, {
      attachments: Array.from({ length: 19 }, (_, index) => ({
        name: `${index}`,
        contentType,
        contentBytes,
      })),
    });
    const listing = await mail.listAttachments(access, graphMessageId, signal);
    const files = listing.map(({ graphAttachmentId }) => ({ graphMessageId, graphAttachmentId }));
    const counter = { requests: 0 };
    const asked = [...files, { graphMessageId, graphAttachmentId: 'AAMkNoSuchFile' }];
    const contents = await mail.withCounter(counter).readSmallFiles(access, asked, signal);
    expect(counter.requests).toBe(1);
    expect(contents.slice(0, 19)).toEqual(Array.from({ length: 19 }, () => Buffer.from(text)));
    expect(contents[19]).toMatchObject({ code: 'ITEM_NOT_FOUND' });
  });

  test('small files that are large after all are left to be streamed', async () => {
    const { access } = await stage.mailbox();
    const contentBytes = Buffer.alloc(300_000).toString('base64');
    const graphMessageId = await stage.post(access.emailAddress, {
      attachments: [{ name: 'a.bin', contentBytes }],
    });
    const { mail: small } = stage.anotherProcess({ largestAnswerBytes: 280_000 });
    const [file] = await small.listAttachments(access, graphMessageId, signal);
    const graphAttachmentId = file?.graphAttachmentId ?? '';
    expect(await small.readSmallFiles(access, [{ graphMessageId, graphAttachmentId }], signal)).toEqual([
      null,
    ]);
  });

  test('six streams that are left unread do not lock the mailbox once their signal ends', async () => {
    const { access } = await stage.mailbox();
    const id = await stage.post(access.emailAddress, {
      attachments: [{ name: 'big.bin', contentBytes: Buffer.alloc(500_000).toString('base64') }],
    });
    const [attachment] = await mail.listAttachments(access, id, signal);
    const attachmentId = attachment?.graphAttachmentId ?? '';
    for (let index = 0; index < 6; index += 1) {
      const reader = new AbortController();
      await mail.readAttachment(access, id, attachmentId, reader.signal);
      reader.abort();
    }
    expect(await mail.getFolder(access, 'inbox', signal)).not.toBeNull();
  });

  test('a stream that is left in the middle gives its place back', async () => {
    const { access } = await stage.mailbox();
    const id = await stage.post(access.emailAddress, {
      attachments: [{ name: 'big.bin', contentBytes: Buffer.alloc(500_000).toString('base64') }],
    });
    const [attachment] = await mail.listAttachments(access, id, signal);
    for (let index = 0; index < 6; index += 1) {
      const stream = await mail.readAttachment(access, id, attachment?.graphAttachmentId ?? '', signal);
      for await (const _chunk of stream) break;
    }
    expect(await mail.getFolder(access, 'inbox', signal)).not.toBeNull();
  });

  test('of a mail that is gone: ITEM_NOT_FOUND', async () => {
    const { access } = await stage.mailbox();
    await expect(mail.listAttachments(access, 'AAMkNoSuchMail', signal)).rejects.toMatchObject({
      code: 'ITEM_NOT_FOUND',
    });
  });
});

describe('moving', () => {
  test('moves many, tells which are gone, and a second time changes nothing', async () => {
    const { access } = await stage.mailbox();
    const ids: string[] = [];
    for (let index = 0; index < 45; index += 1) ids.push(await stage.post(access.emailAddress));
    const archive = await mail.createFolder(access, 'Processed', signal);
    const counter = { requests: 0 };
    const asked = [...ids, 'AAMkNoSuchMail'];
    const result = await mail.withCounter(counter).moveMails(access, asked, archive.id, signal);
    expect(Object.fromEntries(result)).toEqual(
      Object.fromEntries(asked.map((id) => [id, id === 'AAMkNoSuchMail' ? 'GONE' : 'MOVED'])),
    );
    // Three batches, and one look at the folder because of the mail that is gone.
    expect(counter.requests).toBe(4);
    const again = await mail.moveMails(access, ids, archive.id, signal);
    expect(new Set(again.values())).toEqual(new Set(['MOVED']));
    expect(await mail.getFolder(access, archive.id, signal)).toMatchObject({ totalItemCount: 45 });
  });

  test('ids survive the move: the mail is still read by the same one', async () => {
    const { access } = await stage.mailbox();
    const id = await stage.post(access.emailAddress);
    await mail.moveMails(access, [id], 'archive', signal);
    expect(await mail.getMail(access, id, signal)).toMatchObject({ graphMessageId: id });
    const pages = await round(access, yesterday());
    expect(idsOf(pages)).toEqual([]);
  });

  test('parts that are throttled or fail are moved all the same', async () => {
    const { access } = await stage.mailbox();
    const ids: string[] = [];
    for (let index = 0; index < 20; index += 1) ids.push(await stage.post(access.emailAddress));
    const pathPattern = '/move$';
    const mailbox = access.emailAddress;
    await stage.control('POST', '/faults', {
      status: 429,
      retryAfterSeconds: 0.2,
      count: 3,
      pathPattern,
      mailbox,
    });
    await stage.control('POST', '/faults', { status: 503, count: 2, pathPattern, mailbox });
    const result = await mail.moveMails(access, ids, 'archive', signal);
    expect([...result.values()].every((one) => one === 'MOVED')).toBe(true);
    expect(result.size).toBe(20);
  });

  test('to a folder that does not exist is an error, not a mail that is gone', async () => {
    const { access } = await stage.mailbox();
    const id = await stage.post(access.emailAddress);
    const result = await mail.moveMails(access, [id], 'AAMkNoSuchFolder', signal);
    expect(result.get(id)).toMatchObject({ code: 'FOLDER_NOT_FOUND' });
  });
});

test('a mail that does not exist reads as null', async () => {
  const { access } = await stage.mailbox();
  expect(await mail.getMail(access, 'AAMkNoSuchMail', signal)).toBeNull();
});
