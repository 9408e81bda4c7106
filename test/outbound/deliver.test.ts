import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Mailbox } from '../../src/emulator/mailbox.ts';
import { folderOf } from '../../src/emulator/mailbox-folders.ts';
import { FAULT_POINTS, type FaultPoint } from '../../src/outbound/fault-points.ts';
import { forkFor } from '../../src/platform/database.ts';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { arrivals, newCustomer, type OutboxDesk, openOutbox, timesArrived } from './outbox-desk.ts';

let app: TestApp;
let outbox: OutboxDesk;
/** Where the next delivery dies; null: nowhere. */
let dieAt: FaultPoint | null = null;
let deaths = 0;
/** What happens at Microsoft in the moment of the death. */
let beforeDeath: () => void = () => undefined;

beforeAll(async () => {
  app = await startTestApp(
    {},
    {
      overrides: {
        reached: (point) => {
          if (point !== dieAt) return;
          dieAt = null;
          deaths += 1;
          beforeDeath();
          throw new Error('killed');
        },
        outbox: { times: { unclearSend: 500, lostDraft: 500 } },
      },
    },
  );
  outbox = await openOutbox(app);
});

afterAll(() => app[Symbol.asyncDispose]());

beforeEach(async () => {
  dieAt = null;
  deaths = 0;
  beforeDeath = () => undefined;
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
});

/** A mailbox as the emulator has it. */
function mailboxOf(address: string): Mailbox {
  const known = app.emulator.state.addresses.get(address);
  const mailbox = known && app.emulator.state.mailboxes.get(known.userId);
  if (!mailbox) throw new Error(`The emulator has no ${address}.`);
  return mailbox;
}

test('a mail that is queued arrives once, and says who sent it', async () => {
  const to = newCustomer();
  const id = await outbox.queue({ to: [{ name: 'Carol', emailAddress: to }] });
  const row = await outbox.reaches(id, 'SENT');
  expect(row.internetMessageId).toMatch(/^<.+>$/);
  expect(row.sentAt).not.toBeNull();
  expect(await timesArrived(app, id)).toBe(1);
});

// Those of files need files: see outbox.test.ts. 'copy.checked' comes after everything, and a reply is looked at below.
const POINTS = FAULT_POINTS.filter(
  (point) => !point.startsWith('file') && point !== 'copy.checked' && point !== 'draft.reply-made',
);

test.each(POINTS)('a process that dies at %s loses nothing and sends nothing twice', async (point) => {
  dieAt = point;
  const id = await outbox.queue();
  await eventually('it dies', () => deaths === 1);
  await outbox.wake();
  await outbox.reaches(id, 'SENT');
  expect(await timesArrived(app, id)).toBe(1);
});

test('a process that dies when Exchange has made a reply leaves one that is put right, and sent as it was written, once', async () => {
  const [asker, to] = [newCustomer(), newCustomer()];
  await control(app.emulator.url, 'mailboxes', { address: to });
  const question = { to: outbox.address, from: asker, subject: 'A question', text: 'What is it?' };
  const { immutableId } = await control<{ immutableId: string }>(app.emulator.url, 'mail', question);
  // What Exchange may write into a reply besides what it was asked for.
  beforeDeath = () => {
    for (const draft of folderOf(mailboxOf(outbox.address), 'drafts').messages) {
      draft.subject = 'RE: A question';
      draft.body = { contentType: 'html', content: '<p>From: somebody</p><img src="cid:theirs">' };
      draft.to = [...draft.to, { name: '', address: asker }];
      draft.attachments.push({
        id: 'theirs',
        kind: 'file',
        name: 'theirs.png',
        contentType: 'image/png',
        isInline: true,
        contentId: 'theirs',
        content: Buffer.from('a picture'),
        lastModifiedAt: 0,
      });
    }
  };
  dieAt = 'draft.reply-made';
  const id = await outbox.queue({
    answersGraphMessageId: immutableId,
    to: [{ name: null, emailAddress: to }],
    subject: 'Re: A question [#1]',
    bodyHtml: '<p>As it was written</p>',
  });
  await eventually('it dies', () => deaths === 1);
  await outbox.wake();
  await outbox.reaches(id, 'SENT');
  expect((await arrivals(app, id)).map(({ recipient, count }) => ({ recipient, count }))).toEqual([
    { recipient: to, count: 1 },
  ]);
  const [arrived] = folderOf(mailboxOf(to), 'inbox').messages;
  expect(arrived).toMatchObject({ subject: 'Re: A question [#1]', attachments: [] });
  expect(arrived?.body.content).toContain('<p>As it was written</p>');
  expect(arrived?.body.content).not.toContain('theirs');
});

test.each([
  { what: '504 before the work', fault: { status: 504 } },
  { what: '504 after the work', fault: { status: 504, afterwards: true } },
  { what: '500 after the work', fault: { status: 500, afterwards: true } },
  { what: 'a reset', fault: { reset: true } },
  { what: 'a reset after the work', fault: { reset: true, afterwards: true } },
  { what: 'throttling', fault: { status: 429, retryAfterSeconds: 1 } },
])('$what when the mail is to be sent neither loses nor doubles it', async ({ fault }) => {
  await control(app.emulator.url, 'faults', {
    ...fault,
    pathPattern: '/send$',
    mailbox: outbox.address,
    count: 1,
  });
  const id = await outbox.queue();
  await outbox.reaches(id, 'SENT');
  expect(await timesArrived(app, id)).toBe(1);
});

test.each([
  { what: '504 after the work', fault: { status: 504, afterwards: true } },
  { what: 'a reset after the work', fault: { reset: true, afterwards: true } },
])('$what when the draft is made leaves one mail and no draft', async ({ fault }) => {
  await control(app.emulator.url, 'faults', {
    ...fault,
    method: 'POST',
    pathPattern: '/messages$',
    mailbox: outbox.address,
    count: 1,
  });
  const id = await outbox.queue();
  await outbox.reaches(id, 'SENT');
  expect(await timesArrived(app, id)).toBe(1);
});

test('a mail whose workers have died again and again waits after its first failure no longer than another', async () => {
  const { organizationId } = outbox.desk;
  await control(app.emulator.url, 'faults', {
    status: 503,
    method: 'POST',
    pathPattern: '/messages$',
    mailbox: outbox.address,
    count: 1,
  });
  const em = forkFor(app.database, organizationId);
  const id = await em.transactional(async (inside) => {
    const queued = await outbox.queue({}, inside);
    const died = 'update outbound_message set attempts = 9 where organization_id = ? and id = ?';
    await inside.execute(died, [organizationId, queued]);
    return queued;
  });
  const { attempts, failures } = await outbox.reaches(id, 'SENT');
  expect({ attempts, failures }).toEqual({ attempts: 11, failures: 1 });
  expect(await timesArrived(app, id)).toBe(1);
});

test('a mail that waits in the Outbox of Microsoft after an answer that was lost is sent: it is not told to go again', async () => {
  const { url } = app.emulator;
  onTestFinished(async () => {
    await control(url, `mailboxes/${outbox.address}/sending`, {}, 'PUT');
  });
  await control(url, `mailboxes/${outbox.address}/sending`, { sentCopyDelayMs: 9_000 }, 'PUT');
  const lost = { status: 504, afterwards: true, pathPattern: '/send$', mailbox: outbox.address, count: 1 };
  await control(url, 'faults', lost);
  const id = await outbox.queue();
  expect((await outbox.reaches(id, 'SENT', 'FAILED')).state).toBe('SENT');
  expect(await timesArrived(app, id)).toBe(1);
});
