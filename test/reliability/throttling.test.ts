import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type Desk } from '../support/app.ts';
import { deliver, deliverMany, foldersOf } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  createFolder,
  type FaultInput,
  type Fleet,
  manyMails,
  rows,
  setFault,
  settled,
  sortedSubjects,
  startFleet,
  startSync,
  ticketSubjects,
} from './harness.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api,worker']);
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

async function archivingDesk(): Promise<{ desk: Desk; mailboxId: string; address: string }> {
  const [process] = fleet.processes;
  if (!process) throw new Error('no process');
  const desk = (await fleet.newDesk())(process);
  const { mailboxId, address } = await desk.connectMailbox();
  const archiveFolderId = await createFolder(desk, mailboxId, 'Done');
  await desk.enable(mailboxId, { afterProcessing: 'ARCHIVE', archiveFolderId });
  return { desk, mailboxId, address };
}

/** Jobs that wait for a later try are due now: the tests do not sit out backoff. */
const hurry = () =>
  rows(
    fleet,
    `update graphile_worker._private_jobs set run_at = now() where locked_at is null and run_at > now()`,
  );

const storms: [string, FaultInput[]][] = [
  [
    '429 with Retry-After on delta and on batches',
    [
      { status: 429, retryAfterSeconds: 1, pathPattern: '/messages/delta', count: 2 },
      { status: 429, retryAfterSeconds: 1, pathPattern: '\\$batch', count: 1 },
      { status: 429, retryAfterSeconds: 0.5, pathPattern: '/move', count: 12 },
    ],
  ],
  [
    'connection resets, three requests in ten', // Not the parts of a batch: twenty of them would reset nearly every batch.
    [{ reset: true, probability: 0.3, pathPattern: '^(?!.*/move)' }],
  ],
  [
    '503 and 504',
    [
      { status: 503, retryAfterSeconds: 0.5, probability: 0.2 },
      { status: 504, probability: 0.2 },
    ],
  ],
  [
    'moves that happen and answer 504 all the same',
    [{ status: 504, afterwards: true, pathPattern: '/move', probability: 0.5 }],
  ],
];

test.each(storms)('%s: every mail is a ticket once and lies in the archive once', async (_name, faults) => {
  const { desk, mailboxId, address } = await archivingDesk();
  const mails = manyMails(address, 130);
  await deliverMany(fleet.emulator.url, mails);
  for (const fault of faults) await setFault(fleet.emulator.url, { ...fault, mailbox: address });
  await startSync(desk, mailboxId);
  let polls = 0;
  await eventually('all mail lies in the archive', async () => {
    polls += 1;
    if (polls % 20 === 0) await hurry();
    if (polls % 100 === 0) await startSync(desk, mailboxId);
    const folders = await foldersOf(fleet.emulator.url, address);
    return folders.get('Done')?.length === mails.length && folders.get('Inbox')?.length === 0;
  });
  await control(fleet.emulator.url, 'faults', undefined, 'DELETE');
  await eventually('the ledger says so', async () => {
    await hurry();
    const [row] = await rows<{ open: number }>(
      fleet,
      `select count(*)::int as open from inbound_message where organization_id = ? and archive_state <> 'DONE'`,
      [desk.organizationId],
    );
    return row?.open === 0;
  });
  await settled(fleet, mailboxId);
  expect(await ticketSubjects(fleet, desk.organizationId)).toEqual(sortedSubjects(mails));
  expect((await foldersOf(fleet.emulator.url, address)).get('Done')?.toSorted()).toEqual(
    sortedSubjects(mails),
  );
  expect(await desk.sync(mailboxId)).toMatchObject({ created: 0, appended: 0 });
});

test('one mail that cannot be moved for now keeps no other out of the archive', async () => {
  const { desk, mailboxId, address } = await archivingDesk();
  const stuck = await deliver(fleet.emulator.url, { to: address, subject: 'Stuck' });
  const others = manyMails(address, 230);
  await deliverMany(fleet.emulator.url, others);
  await setFault(fleet.emulator.url, {
    status: 503,
    retryAfterSeconds: 0.1,
    pathPattern: `${stuck.immutableId}/move`,
    mailbox: address,
  });
  await startSync(desk, mailboxId);
  await eventually('the others lie in the archive', async () => {
    const folders = await foldersOf(fleet.emulator.url, address);
    return folders.get('Done')?.length === others.length;
  });
  expect((await foldersOf(fleet.emulator.url, address)).get('Inbox')).toEqual(['Stuck']);
  await control(fleet.emulator.url, 'faults', undefined, 'DELETE');
  await eventually('and then it as well', async () => {
    await hurry();
    return (await foldersOf(fleet.emulator.url, address)).get('Inbox')?.length === 0;
  });
});

test('throttled mailboxes, however many, do not delay one of another organization', async () => {
  const throttled = await Promise.all(Array.from({ length: 8 }, () => archivingDesk()));
  const healthy = await archivingDesk();
  const latencies = async (count: number) => {
    const found: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const subject = `Healthy ${crypto.randomUUID()}`;
      await deliver(fleet.emulator.url, { to: healthy.address, subject });
      const startedAt = performance.now();
      await startSync(healthy.desk, healthy.mailboxId);
      await eventually('the ticket is there', async () =>
        (await ticketSubjects(fleet, healthy.desk.organizationId)).includes(subject),
      );
      found.push(performance.now() - startedAt);
    }
    return found.toSorted((a, b) => a - b)[Math.floor(count / 2)] ?? 0;
  };
  await latencies(3); // the first ones find everything cold
  const alone = await latencies(11);
  const file = {
    name: 'a.txt',
    contentType: 'text/plain',
    contentBytes: Buffer.from('a').toString('base64'),
  };
  for (const [index, { address }] of throttled.entries()) {
    await deliverMany(
      fleet.emulator.url,
      manyMails(address, 40).map((mail) => ({ ...mail, attachments: [file] })),
    );
    // Mail comes in; everything that follows, and the next page, is told to come back later, again and again.
    for (const pathPattern of ['attachments', '/\\$batch', '/move']) {
      await setFault(fleet.emulator.url, {
        status: 429,
        // Long ones that a job must not sit out, and short ones that come again and again.
        retryAfterSeconds: index % 2 === 0 ? 7 : 0.8,
        pathPattern,
        mailbox: address,
      });
    }
  }
  await Promise.all(throttled.map(({ desk, mailboxId }) => startSync(desk, mailboxId)));
  for (const { desk } of throttled) {
    await eventually('the throttled one has its tickets', async () => {
      return (await ticketSubjects(fleet, desk.organizationId)).length === 40;
    });
  }
  await Promise.all(throttled.map(({ desk, mailboxId }) => startSync(desk, mailboxId)));
  const beside = await latencies(15);
  await control(fleet.emulator.url, 'faults', undefined, 'DELETE');
  process.stdout.write(
    `a healthy mailbox: median ${alone.toFixed(0)} ms alone, ${beside.toFixed(0)} ms beside eight throttled ones\n`,
  );
  // The goal is 1.2 times; other work on the machine is no reason to fail. Jobs that sat out pauses made it half a minute.
  expect(beside).toBeLessThan(alone * 2 + 100);
});
