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

test('a mail that does not exist reads as null', async () => {
  const { access } = await stage.mailbox();
  expect(await mail.getMail(access, 'AAMkNoSuchMail', signal)).toBeNull();
});
