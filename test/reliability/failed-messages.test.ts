import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Desk } from '../support/app.ts';
import { deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { type Fleet, rows, startFleet, ticketSubjects } from './harness.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api,worker', 'worker']);
  await rows(
    fleet,
    `create function refuse_poison() returns trigger language plpgsql as $$ begin
       if new.subject like 'Poison%' then raise exception 'poison' using errcode = '22000'; end if; return new; end $$`,
  );
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

const poison = () =>
  rows(fleet, 'create trigger poison before insert on message for each row execute function refuse_poison()');
const cure = () => rows(fleet, 'drop trigger if exists poison on message');

async function failedMessage(subject: string): Promise<{ desk: Desk; id: string; uuid: string }> {
  const [process] = fleet.processes;
  if (!process) throw new Error('no process');
  const desk = (await fleet.newDesk())(process);
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await poison();
  await deliverMany(fleet.emulator.url, [{ to: address, subject }]);
  expect(await desk.sync(mailboxId)).toMatchObject({ state: 'SUCCEEDED', failed: 1 });
  const [row] = await rows<{ id: string }>(
    fleet,
    'select id from inbound_message where organization_id = ?',
    [desk.organizationId],
  );
  const uuid = row?.id ?? '';
  return { desk, uuid, id: Buffer.from(`InboundMessage:${uuid}`).toString('base64url') };
}

/** How long the waiting try was told to wait, in seconds, however much of it is over; null when none waits. */
async function nextTry(uuid: string): Promise<number | null> {
  const [job] = await rows<{ seconds: number }>(
    fleet,
    `select round(extract(epoch from run_at - created_at))::int as seconds from graphile_worker._private_jobs
       where key = ? and locked_at is null and attempts < max_attempts`,
    [`sync.retry-inbound-message:${uuid}`],
  );
  return job?.seconds ?? null;
}

const attemptsOf = async (uuid: string) => {
  const [row] = await rows<{ attempts: number; outcome: string }>(
    fleet,
    'select attempts, outcome from inbound_message where id = ?',
    [uuid],
  );
  return row;
};

const retryNow = (uuid: string) =>
  rows(
    fleet,
    `select graphile_worker.reschedule_jobs(array[id], run_at := now()) from graphile_worker._private_jobs where key = ?`,
    [`sync.retry-inbound-message:${uuid}`],
  );

const retryByHand = (desk: Desk, id: string) =>
  desk.request<{ retryInboundMessage: { __typename: string } }>(
    'mutation ($id: ID!) { retryInboundMessage(input: { inboundMessageId: $id }) { __typename } }',
    { id },
  );

test('a message that keeps failing is tried eight times, later and later, then only by hand, which works', async () => {
  const { desk, id, uuid } = await failedMessage('Poison for long');
  const waits: (number | null)[] = [];
  for (let attempt = 1; attempt <= 8; attempt += 1) {
    await eventually(
      `try ${attempt} has been made`,
      async () => (await attemptsOf(uuid))?.attempts === attempt,
    );
    const wait =
      attempt < 8 ? await eventually('the next try waits', async () => (await nextTry(uuid)) ?? false) : null;
    waits.push(wait);
    if (attempt < 8) await retryNow(uuid);
  }
  expect(waits).toEqual([30, 120, 480, 1_920, 7_680, 21_600, 21_600, null]);
  await eventually('no try is left', async () => {
    const left = await rows(fleet, 'select 1 from graphile_worker._private_jobs where key = ?', [
      `sync.retry-inbound-message:${uuid}`,
    ]);
    return left.length === 0;
  });
  expect(await attemptsOf(uuid)).toEqual({ attempts: 8, outcome: 'FAILED' });
  // By hand it is tried once more, and fails once more: no automatic try follows.
  await retryByHand(desk, id);
  await eventually('the try by hand counts', async () => (await attemptsOf(uuid))?.attempts === 9);
  await cure();
  await retryByHand(desk, id);
  await eventually('it is a ticket', async () => (await attemptsOf(uuid))?.outcome === 'TICKET_CREATED');
  expect(await ticketSubjects(fleet, desk.organizationId)).toEqual(['Poison for long']);
  const again = await retryByHand(desk, id);
  expect(again.retryInboundMessage.__typename).toBe('InboundMessageNotFailedError');
});

test('tries at the same time, by hand and by the clock, on two processes, make one ticket', async () => {
  const { desk, id, uuid } = await failedMessage('Poison for many');
  await cure();
  await Promise.all([
    retryNow(uuid),
    ...Array.from({ length: 10 }, () => retryByHand(desk, id).catch(() => undefined)),
  ]);
  await eventually('it is a ticket', async () => (await attemptsOf(uuid))?.outcome === 'TICKET_CREATED');
  await eventually('no try is left', async () => {
    const left = await rows(
      fleet,
      `select 1 from graphile_worker._private_jobs where payload->>'inboundMessageId' = ? and attempts < max_attempts`,
      [uuid],
    );
    return left.length === 0;
  });
  expect(await ticketSubjects(fleet, desk.organizationId)).toEqual(['Poison for many']);
  const messages = await rows(fleet, 'select 1 from message where organization_id = ?', [
    desk.organizationId,
  ]);
  expect(messages).toHaveLength(1);
  expect((await attemptsOf(uuid))?.attempts).toBe(2);
});
