import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Results, subscribeOverSocket, subscribeOverSse } from '../server/harness.ts';
import { control, waitForRun } from '../support/app.ts';
import { deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  type Fleet,
  manyMails,
  type Process,
  rows,
  runsOf,
  setFault,
  settled,
  sortedSubjects,
  startFleet,
  startSync,
  ticketSubjects,
} from './harness.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api,worker', 'api,worker']);
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

function both(): [Process, Process] {
  const [one, two] = fleet.processes;
  if (!one || !two) throw new Error('two processes are needed');
  return [one, two];
}

const SUBSCRIPTION = 'subscription { ticketCreated { cursor ticket { subject number } } }';

interface TicketEvent {
  cursor: string;
  ticket: { subject: string; number: number };
}

/** Collects what a subscription brings from the moment when it is known to stand. */
async function collect(results: Results, warmUp: () => Promise<void>): Promise<TicketEvent[]> {
  const received: TicketEvent[] = [];
  void (async () => {
    for (let result = await results.next(); result; result = await results.next()) {
      const event = result.data?.['ticketCreated'] as TicketEvent | undefined;
      if (!event) throw new Error(JSON.stringify(result));
      received.push(event);
    }
  })().catch(() => undefined);
  await eventually('the subscription stands', async () => {
    await warmUp();
    return received.length > 0;
  });
  return received;
}

test('asked of both processes at once, a mailbox is read by one at a time, and both tell of every ticket once, in one order', async () => {
  const [one, two] = both();
  const view = await fleet.newDesk();
  const desk = view(one);
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const warmUp = async () => {
    await desk.request(
      `mutation { createTicket(input: { subject: "warm-up", requesterEmail: "desk@example.com", text: "x" }) { __typename } }`,
    );
  };
  const streams = [
    await collect(subscribeOverSocket(one.url, desk.apiKey, SUBSCRIPTION), warmUp),
    await collect(subscribeOverSocket(two.url, desk.apiKey, SUBSCRIPTION), warmUp),
    await collect(await subscribeOverSse(one.url, desk.apiKey, SUBSCRIPTION), warmUp),
    await collect(await subscribeOverSse(two.url, desk.apiKey, SUBSCRIPTION), warmUp),
  ];
  await control(fleet.emulator.url, 'requests', undefined, 'DELETE');
  const mails: { to: string; subject: string }[] = [];
  for (let round = 0; round < 6; round += 1) {
    const batch = manyMails(address, 40, `Round ${round} mail`);
    mails.push(...batch);
    await deliverMany(fleet.emulator.url, batch);
    await Promise.all([one, two, one, two].map((process) => startSync(view(process), mailboxId)));
  }
  await settled(fleet, mailboxId);
  expect((await ticketSubjects(fleet, desk.organizationId)).filter((s) => s !== 'warm-up')).toEqual(
    sortedSubjects(mails),
  );
  const isMail = ({ ticket }: TicketEvent) => ticket.subject !== 'warm-up';
  for (const stream of streams) {
    await eventually('every ticket is told', () => stream.filter(isMail).length >= mails.length);
  }
  const orders = streams.map((stream) => stream.filter(isMail).map(({ ticket }) => ticket.number));
  expect(new Set(orders[0]).size).toBe(mails.length);
  expect(orders[0]).toEqual([...(orders[0] ?? [])].sort((a, b) => a - b));
  for (const order of orders) expect(order).toEqual(orders[0]);
  const runs = await rows<{ started_at: string; finished_at: string; state: string }>(
    fleet,
    `select started_at, finished_at, state from sync_run where organization_id = ? order by started_at, finished_at`,
    [desk.organizationId],
  );
  expect(runs.every(({ state }) => state === 'SUCCEEDED')).toBe(true);
  for (const [index, run] of runs.entries()) {
    const next = runs[index + 1];
    if (next) expect(Date.parse(next.started_at)).toBeGreaterThanOrEqual(Date.parse(run.finished_at));
  }
});

test('a process that is stopped in the middle of a run hands it to the other: nothing lost, no run left open', async () => {
  await using own = await startFleet(['worker', 'api']);
  const [reader, api] = own.processes;
  if (!reader || !api) throw new Error('two processes are needed');
  const desk = (await own.newDesk())(api);
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const mails = manyMails(address, 450);
  await deliverMany(own.emulator.url, mails);
  // Longer than a stop is patient, so that the run is cut off; the only worker so far is certainly the one that reads.
  const hold = await setFault(own.emulator.url, {
    latencyMs: 60_000,
    pathPattern: 'skiptoken',
    mailbox: address,
    count: 1,
  });
  await startSync(desk, mailboxId);
  await hold.met();
  await own.start('worker');
  await reader.stop();
  await eventually(
    'every mail is a ticket',
    async () => (await ticketSubjects(own, desk.organizationId)).length === mails.length,
  );
  await settled(own, mailboxId);
  expect(await ticketSubjects(own, desk.organizationId)).toEqual(sortedSubjects(mails));
  // The first is that of enabling.
  expect((await runsOf(own, mailboxId)).slice(-2)).toEqual([
    { trigger: 'MANUAL', state: 'INTERRUPTED' },
    { trigger: 'RECOVERY', state: 'SUCCEEDED' },
  ]);
  expect(await waitForRun(desk.request, await startSync(desk, mailboxId))).toMatchObject({ created: 0 });
});

test('a token that another process fetched, and that has ended as well, does not ask a person to sign in', async () => {
  const desk = await fleet.newDesk();
  const [first, second] = both();
  const { mailboxId, address } = await desk(first).connectMailbox();
  const list = (process: Process) =>
    desk(process).request<{ node: { folders: object[] } }>(
      'query ($id: ID!) { node(id: $id) { ... on Mailbox { folders { id } } } }',
      { id: mailboxId },
    );
  const expire = () => control(fleet.emulator.url, 'tokens/expire', { address });
  await list(first);
  await expire();
  // The second process fetches another token and stores it; the first one still has its own in memory.
  await list(second);
  await expire();
  expect((await list(first)).node.folders).not.toEqual([]);
});
