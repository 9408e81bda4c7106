import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { type Results, subscribeOverSocket, subscribeOverSse } from './harness.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface TicketEvent {
  cursor: string;
  ticket: { subject: string; requester: { emailAddress: string } };
}

const ticketCreated = (after?: string) =>
  `subscription { ticketCreated${after ? `(after: "${after}")` : ''} { cursor ticket { subject requester { emailAddress } } } }`;

/** The next event; fails with what came instead. */
async function nextTicket(results: Results): Promise<TicketEvent> {
  const result = await results.next();
  const event = result?.data?.['ticketCreated'];
  if (!event) throw new Error(`No event came: ${JSON.stringify(result)}`);
  return event as TicketEvent;
}

const transports: [string, (desk: Desk, query: string) => Promise<Results>][] = [
  ['graphql-transport-ws', async (desk, query) => subscribeOverSocket(app.url, desk.apiKey, query)],
  ['an event stream', (desk, query) => subscribeOverSse(app.url, desk.apiKey, query)],
];

describe.each(transports)('from a mail to a subscriber over %s', (_name, subscribe) => {
  test('each mail is a ticket at the subscriber, who was cut off and resumes: nothing lost, nothing twice', async () => {
    const desk = await app.newDesk();
    const { mailboxId, address } = await desk.connectMailbox();
    await desk.enable(mailboxId);
    const receive = async (subject: string) => {
      await deliver(app.emulator.url, { to: address, from: 'ada@example.com', subject });
      await desk.sync(mailboxId);
    };
    // With a cursor to start from it does not matter when the subscription stands.
    const since = await cursorBefore(desk);

    const live = await subscribe(desk, ticketCreated(since));
    await receive('one');
    const one = await nextTicket(live);
    expect(one.ticket).toEqual({ subject: 'one', requester: { emailAddress: 'ada@example.com' } });
    await live.stop();

    await receive('two');
    await receive('three');
    const resumed = await subscribe(desk, ticketCreated(one.cursor));
    expect((await nextTicket(resumed)).ticket.subject).toBe('two');
    expect((await nextTicket(resumed)).ticket.subject).toBe('three');
    await receive('four');
    expect((await nextTicket(resumed)).ticket.subject).toBe('four');
  });

  /** A cursor after everything so far: of an event that the desk makes itself. */
  async function cursorBefore(desk: Desk): Promise<string> {
    const stream = await subscribe(desk, ticketCreated());
    const first = nextTicket(stream);
    let isThere = false;
    first.finally(() => {
      isThere = true;
    });
    // When a subscription stands is not told; that a ticket made after it has come through is.
    await eventually('the subscription stands', async () => {
      await createTicket(desk, 'warm-up');
      return isThere;
    });
    let last = await first;
    const marker = `marker ${crypto.randomUUID()}`;
    await createTicket(desk, marker);
    while (last.ticket.subject !== marker) last = await nextTicket(stream);
    await stream.stop();
    return last.cursor;
  }
});

async function createTicket(desk: Desk, subject: string): Promise<void> {
  const { createTicket: answer } = await desk.request<{
    createTicket: { __typename: string; message?: string };
  }>(
    `mutation ($input: CreateTicketInput!) { createTicket(input: $input) { __typename ... on Error { message } } }`,
    { input: { subject, requesterEmail: 'desk@example.com', text: 'Made by hand.' } },
  );
  if (answer.__typename !== 'CreateTicketPayload') throw new Error(answer.message);
}
