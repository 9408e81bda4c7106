import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { daysAgo, importReaches, lastImportOf, leave, ticketsOf } from './import-harness.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const ended = async (desk: Awaited<ReturnType<TestApp['newDesk']>>, mailboxId: string) =>
  importReaches(desk, (await lastImportOf(desk, mailboxId))?.id ?? '', 'SUCCEEDED');

test('an archive keeps the dates of the mail, has the target status, is marked, and threads', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  const [first, answer, other] = [daysAgo(60), daysAgo(20), daysAgo(10)];
  await leave(app, address, [
    { subject: 'Printer', receivedDateTime: first, messageId: '<one@fabrikam.example>' },
    { subject: 'Re: Printer', receivedDateTime: answer, inReplyTo: '<one@fabrikam.example>' },
    { subject: 'Scanner', receivedDateTime: other, messageId: '<two@fabrikam.example>' },
  ]);
  await desk.enable(mailboxId, { existingMail: { mode: 'ARCHIVE' } });
  expect(await ended(desk, mailboxId)).toMatchObject({
    seen: 3,
    estimated: 3,
    created: 2,
    appended: 1,
    problem: null,
  });
  const times = (time: string) => new Date(time).toISOString();
  expect(await ticketsOf(desk, mailboxId)).toEqual([
    {
      subject: 'Printer',
      status: 'CLOSED',
      isImported: true,
      createdAt: times(first),
      lastMessageAt: times(answer),
      closedAt: times(answer),
      messages: ['Printer', 'Re: Printer'],
    },
    {
      subject: 'Scanner',
      status: 'CLOSED',
      isImported: true,
      createdAt: times(other),
      lastMessageAt: times(other),
      closedAt: times(other),
      messages: ['Scanner'],
    },
  ]);
});
