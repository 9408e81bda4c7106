import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../chaos/random.ts';
import { type Results, subscribeOverSocket, subscribeOverSse } from '../server/harness.ts';
import type { createDesk } from '../support/app.ts';
import { deliverMany } from '../support/mail.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';
import { type Fleet, manyMails, rows, startFleet, startSync } from './harness.ts';

const MAILS = 300;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api,worker', 'api,worker']);
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

interface TicketEvent {
  cursor: string;
  ticket: { subject: string; number: number };
}

const ticketCreated = (after: string | null) =>
  `subscription { ticketCreated${after === null ? '' : `(after: "${after}")`} { cursor ticket { subject number } } }`;

type Subscribe = (url: string, key: string, query: string) => Promise<Results>;
const overSocket: Subscribe = async (url, key, query) => subscribeOverSocket(url, key, query);
const transports: [string, Subscribe][] = [
  ['graphql-transport-ws', overSocket],
  ['an event stream', subscribeOverSse],
];

test.each(transports)(
  'over %s: a client that is cut off at random, on whichever process, and whose process is stopped, gets every ticket once and in order',
  async (name, subscribe) => {
    const random = seededRandom(name.length);
    const view = await fleet.newDesk();
    const third = await fleet.start('api');
    const [one, two] = fleet.processes;
    if (!one || !two) throw new Error('two processes are needed');
    const desk = view(one);
    const { mailboxId, address } = await desk.connectMailbox();
    await desk.enable(mailboxId);
    const start = await firstCursor(subscribe, one.url, desk);

    const mails: { to: string; subject: string }[] = [];
    const feeding = (async () => {
      for (let round = 0; round < 10; round += 1) {
        const batch = manyMails(address, MAILS / 10, `Round ${round} mail`);
        mails.push(...batch);
        await deliverMany(fleet.emulator.url, batch);
        await startSync(view(random() < 0.5 ? one : two), mailboxId);
      }
    })();

    const processes = [third, one, two];
    const received: TicketEvent[] = [];
    let cuts = 0;
    let isThirdStopped = false;
    const deadline = performance.now() + SLOW_MACHINE;
    while (received.length < MAILS && performance.now() < deadline) {
      const from = processes[Math.floor(random() * processes.length)] ?? one;
      if (isThirdStopped && from === third) continue;
      const results = await subscribe(from.url, desk.apiKey, ticketCreated(received.at(-1)?.cursor ?? start));
      const take = 1 + Math.floor(random() * 40);
      for (let taken = 0; taken < take && received.length < MAILS; taken += 1) {
        const result = await results.next().catch((thrown: unknown) => {
          // Its process is stopped just now: to be cut off is what it is here for.
          if (isGoingAway(thrown)) return undefined;
          throw thrown;
        });
        if (!result || isStopping(result)) break;
        const event = result.data?.['ticketCreated'] as TicketEvent | undefined;
        if (!event) throw new Error(JSON.stringify(result));
        received.push(event);
        if (!isThirdStopped && received.length > MAILS / 3) {
          isThirdStopped = true;
          void third.stop();
        }
      }
      cuts += 1;
      await results.stop();
    }
    await feeding;
    const stored = await rows<{ number: number }>(
      fleet,
      `select number from ticket where organization_id = ? and subject like 'Round %' order by number`,
      [desk.organizationId],
    );
    expect(stored).toHaveLength(MAILS);
    expect(received.map(({ ticket }) => ticket.number)).toEqual(stored.map(({ number }) => number));
    expect(cuts).toBeGreaterThan(5);
  },
);

test('the control: a client that does not resume misses some', async () => {
  const view = await fleet.newDesk();
  const [one] = fleet.processes;
  if (!one) throw new Error('a process is needed');
  const desk = view(one);
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const seen = new Set<string>();
  const before = await firstCursor(overSocket, one.url, desk);
  const first = subscribeOverSocket(one.url, desk.apiKey, ticketCreated(before));
  await deliverMany(fleet.emulator.url, manyMails(address, 50));
  await desk.sync(mailboxId);
  for (let taken = 0; taken < 10; taken += 1) {
    const event = (await first.next())?.data?.['ticketCreated'] as TicketEvent;
    seen.add(event.ticket.subject);
  }
  await first.stop();
  const second = subscribeOverSocket(one.url, desk.apiKey, ticketCreated(null));
  const next = second.next();
  await eventually('the new subscription brings something', async () => {
    await desk.request(
      `mutation { createTicket(input: { subject: "Later", requesterEmail: "desk@example.com", text: "x" }) { __typename } }`,
    );
    return Promise.race([
      next.then(() => true),
      new Promise<false>((resolve) => setImmediate(() => resolve(false))),
    ]);
  });
  const event = (await next)?.data?.['ticketCreated'] as TicketEvent;
  expect(event.ticket.subject).toBe('Later');
  expect(seen.size).toBe(10);
});

/** What an event stream is told at its end by a server that stops. */
function isStopping({ errors = [] }: NonNullable<Awaited<ReturnType<Results['next']>>>): boolean {
  return errors.some(({ extensions }) => extensions['code'] === 'SERVER_STOPPING');
}

/** A socket that a server closes with 1001 because it stops. */
function isGoingAway(thrown: unknown): boolean {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown && thrown.code === 1001;
}

/** A cursor of now: of a ticket that is made by hand. */
async function firstCursor(
  subscribe: Subscribe,
  url: string,
  desk: ReturnType<typeof createDesk>,
): Promise<string> {
  const results = await subscribe(url, desk.apiKey, ticketCreated(null));
  const first = results.next();
  let isThere = false;
  void first.finally(() => {
    isThere = true;
  });
  let made = 0;
  await eventually('the subscription stands', async () => {
    made += 1;
    await desk.request(
      `mutation ($subject: String!) { createTicket(input: { subject: $subject, requesterEmail: "desk@example.com", text: "x" }) { __typename } }`,
      { subject: `Warm-up ${made}` },
    );
    return isThere;
  });
  let event = (await first)?.data?.['ticketCreated'] as TicketEvent;
  while (event.ticket.subject !== `Warm-up ${made}`) {
    event = (await results.next())?.data?.['ticketCreated'] as TicketEvent;
  }
  await results.stop();
  return event.cursor;
}
