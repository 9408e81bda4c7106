import { afterAll, beforeAll, expect, test } from 'vitest';
import type { IncomingMail, MailApi, MailboxAccess } from '../../src/microsoft365/mail.ts';
import { DAY, systemClock } from '../../src/platform/clock.ts';
import { type Stage, startStage } from './harness.ts';

let stage: Stage;
let mail: MailApi;
beforeAll(async () => {
  stage = await startStage({ random: () => 0 });
  mail = stage.microsoft365.mail;
});
afterAll(() => stage[Symbol.asyncDispose]());

const signal = AbortSignal.timeout(120_000);
const yesterday = () => new Date(systemClock.now().getTime() - DAY);
const tomorrow = () => new Date(systemClock.now().getTime() + DAY);

async function read(access: MailboxAccess, counter = { requests: 0 }): Promise<IncomingMail[]> {
  const request = { folderId: 'inbox', receivedFrom: yesterday() };
  const { mails } = await mail.withCounter(counter).readDelta(access, request, signal);
  return mails;
}

/** Delivers a mail as MIME; gives its immutable id. */
async function receive(
  address: string,
  headers: readonly string[],
  body: readonly string[],
): Promise<string> {
  const source = ['From: Carol <carol@fabrikam.example>', `To: ${address}`, ...headers, '', ...body, ''];
  const answer = await fetch(`${stage.emulator.url}/_emulator/mail?to=${address}`, {
    method: 'POST',
    headers: { 'content-type': 'message/rfc822' },
    body: source.join('\r\n'),
  });
  const { immutableId } = (await answer.json()) as { immutableId: string };
  return immutableId;
}

const calendar = (method: string, subject: string) =>
  [
    [`Subject: ${subject}`, `Content-Type: text/calendar; method=${method}; charset=utf-8`],
    [
      'BEGIN:VCALENDAR',
      `METHOD:${method}`,
      'BEGIN:VEVENT',
      'ATTENDEE;PARTSTAT=ACCEPTED:mailto:support@contoso.example',
      'DTSTART:20261123T090000Z',
      'DTEND:20261123T100000Z',
      'SUMMARY:Repair',
      'LOCATION:Room 12',
      'END:VEVENT',
      'END:VCALENDAR',
    ],
  ] as const;

test('mail about meetings comes with the meeting, however it is read; a page without any costs no more requests', async () => {
  const { access } = await stage.mailbox();
  await stage.post(access.emailAddress, { subject: 'Usual' });
  const usual = { requests: 0 };
  expect((await read(access, usual))[0]).not.toHaveProperty('meeting');
  expect(usual.requests).toBe(1);

  for (const method of ['REQUEST', 'CANCEL', 'REPLY', 'COUNTER', 'PUBLISH']) {
    await receive(access.emailAddress, ...calendar(method, method));
  }
  const counter = { requests: 0 };
  const mails = await read(access, counter);
  expect(counter.requests).toBe(2);
  const shown = (list: readonly IncomingMail[]) =>
    Object.fromEntries(list.map((one) => [one.subject, [one.messageClass, one.meeting?.method]]));
  const expected = {
    Usual: [undefined, undefined],
    REQUEST: ['IPM.Schedule.Meeting.Request', 'REQUEST'],
    CANCEL: ['IPM.Schedule.Meeting.Canceled', 'CANCEL'],
    REPLY: ['IPM.Schedule.Meeting.Resp', 'REPLY'],
    COUNTER: ['IPM.Schedule.Meeting.Resp', 'REPLY'],
    PUBLISH: [undefined, undefined],
  };
  expect(shown(mails)).toEqual(expected);
  expect(mails.find(({ subject }) => subject === 'REQUEST')?.meeting).toEqual({
    method: 'REQUEST',
    isAllDay: false,
    startsAt: new Date('2026-11-23T09:00:00Z'),
    endsAt: new Date('2026-11-23T10:00:00Z'),
    startDay: null,
    location: 'Room 12',
  });
  const range = { folderId: 'inbox', receivedFrom: yesterday(), receivedBefore: tomorrow() };
  expect(shown((await mail.readHistory(access, range, signal)).mails)).toEqual(expected);
  const ids = mails.map(({ graphMessageId }) => graphMessageId);
  expect(shown((await mail.getMails(access, ids, signal)).mails)).toEqual(expected);
  const single = await mail.getMail(access, ids.at(-1) ?? '', signal);
  expect(single).toMatchObject({ ...mails.at(-1) });
});

test('of mail that a machine wrote, which headers do not name, the message class is asked for, and of no other', async () => {
  const { access } = await stage.mailbox();
  const { emailAddress } = access;
  const report = (action: string) =>
    [
      [`Subject: ${action}`, 'Content-Type: multipart/report; report-type=delivery-status; boundary=b'],
      ['--b', 'Content-Type: message/delivery-status', '', `Action: ${action}`, '--b--'],
    ] as const;
  for (const action of ['failed', 'delayed', 'delivered']) await receive(emailAddress, ...report(action));
  await receive(emailAddress, ['Subject: generated', 'Auto-Submitted: auto-generated'], ['Disk full']);
  await receive(emailAddress, ['Subject: replied', 'Auto-Submitted: auto-replied'], ['Away']);
  await receive(emailAddress, ['Subject: suppressed', 'X-Auto-Response-Suppress: DR, OOF'], ['Away']);
  await receive(emailAddress, ['Subject: receipts', 'X-Auto-Response-Suppress: DR, RN'], ['Hello']);
  await receive(emailAddress, ['Subject: person', 'Auto-Submitted: no'], ['Hello']);
  const counter = { requests: 0 };
  const mails = await read(access, counter);
  expect(Object.fromEntries(mails.map((one) => [one.subject, one.messageClass]))).toEqual({
    failed: 'REPORT.IPM.Note.NDR',
    delayed: 'REPORT.IPM.Note.Delayed.DR',
    delivered: 'REPORT.IPM.Note.DR',
    generated: 'IPM.Note',
    replied: undefined,
    suppressed: 'IPM.Note',
    receipts: undefined,
    person: undefined,
  });
  // The page, the batch, and the source of each report.
  expect(counter.requests).toBe(5);
});

test('what Microsoft does not tell of a mail stays away, and stops no page', async () => {
  const { access } = await stage.mailbox();
  const id = await receive(access.emailAddress, ...calendar('REQUEST', 'Alone'));
  await stage.control('POST', '/faults', {
    mailbox: access.emailAddress,
    pathPattern: `/messages/[^/?]+$`,
    status: 500,
  });
  const [one] = await read(access);
  expect(one).toMatchObject({ graphMessageId: id, messageClass: 'IPM.Schedule.Meeting.Request' });
  expect(one).not.toHaveProperty('meeting');
  await receive(access.emailAddress, ...calendar('REQUEST', 'Two'));
  expect((await read(access)).map(({ meeting }) => meeting)).toEqual([undefined, undefined]);
});

test('who is asked to slow down reads the page again', async () => {
  const { access } = await stage.mailbox();
  await receive(access.emailAddress, ...calendar('REQUEST', 'Quiet'));
  const fault = { mailbox: access.emailAddress, pathPattern: '/messages/[^/?]+$', status: 429 };
  await stage.control('POST', '/faults', { ...fault, retryAfterSeconds: 30, count: 1 });
  await expect(read(access)).rejects.toMatchObject({ code: 'THROTTLED' });
});
