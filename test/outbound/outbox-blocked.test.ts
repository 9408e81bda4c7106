import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { decodeId, encodeGlobalId } from '../../src/graphql/global-id.ts';
import { enqueue } from '../../src/jobs/define-job.ts';
import { deliverJob, sweepOutboxJob } from '../../src/outbound/deliver.jobs.ts';
import { forkFor } from '../../src/platform/database.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { arrivals, type OutboxDesk, openOutbox, timesArrived } from './outbox-desk.ts';
import { openTicket, reply } from './reply-desk.ts';

/* A mailbox that Microsoft lets send nothing: it delays no other, says so before anybody writes, and is left alone. */

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());
beforeEach(() => control(app.emulator.url, 'faults', undefined, 'DELETE'));

/** Microsoft blocks the account, or has released it. */
function block({ address }: OutboxDesk, blocked: 'REFUSED' | 'NO'): Promise<unknown> {
  return control(app.emulator.url, `mailboxes/${address}/sending`, { blocked }, 'PUT');
}

function query<T>(desk: Desk, sql: string, values: unknown[]): Promise<T> {
  return forkFor(app.database, desk.organizationId).execute<T & unknown[]>(sql, values) as Promise<T>;
}

/** A ticket that came to a mailbox. Our id. */
async function ticketIn({ desk, mailboxId, address }: OutboxDesk): Promise<string> {
  const id = encodeGlobalId('Mailbox', mailboxId);
  await desk.enable(id);
  const subject = `A question ${crypto.randomUUID()}`;
  return decodeId('Ticket', (await openTicket(app, desk, id, { to: address, subject })).id);
}

/** Waits until a mail waits with a problem. */
function waitsWith(outbox: OutboxDesk, id: string, code: string): Promise<boolean> {
  return eventually(`it waits: ${code}`, async () => (await outbox.read(id)).problem?.code === code);
}

interface Waiting {
  state: string;
  waitingFor: string | null;
  problem: { code: string } | null;
  waitsBehind: { id: string; problem: { code: string } | null } | null;
}

async function seen({ desk }: OutboxDesk, id: string): Promise<Waiting> {
  const { node } = await desk.request<{ node: Waiting }>(
    `query ($id: ID!) { node(id: $id) { ... on OutboundMessage {
       state waitingFor problem { code } waitsBehind { id problem { code } } } } }`,
    { id: encodeGlobalId('OutboundMessage', id) },
  );
  return node;
}

test('a notification that a blocked mailbox keeps holds up no reply from another', async () => {
  const blocked = await openOutbox(app);
  const healthy = await openOutbox(app, blocked.desk);
  await block(blocked, 'REFUSED');
  const ticketId = await ticketIn(blocked);
  const notification = await blocked.queue({ kind: 'NOTIFICATION', ticketId });
  await waitsWith(blocked, notification, 'SENDING_BLOCKED');
  const id = await healthy.queue({ kind: 'REPLY', ticketId });
  await healthy.reaches(id, 'SENT');
  expect(await timesArrived(app, id)).toBe(1);
  expect(await seen(blocked, notification)).toMatchObject({ state: 'QUEUED', waitingFor: 'ACCOUNT' });
});

test('a notification of another mailbox holds up no reply, also while nothing is the matter with it', async () => {
  const slow = await openOutbox(app);
  const quick = await openOutbox(app, slow.desk);
  const ticketId = await ticketIn(slow);
  const id = await forkFor(app.database, slow.desk.organizationId).transactional(async (em) => {
    const first = await slow.queue({ kind: 'NOTIFICATION', ticketId }, em);
    // As if it were taken by a process that is still at it.
    await em.execute(`update outbound_message set state = 'SENDING' where organization_id = ? and id = ?`, [
      slow.desk.organizationId,
      first,
    ]);
    await em.execute('select graphile_worker.remove_job(?)', [`${deliverJob.name}:${slow.mailboxId}:PROMPT`]);
    return await quick.queue({ kind: 'REPLY', ticketId }, em);
  });
  await quick.reaches(id, 'SENT');
});

test('a reply that a blocked mailbox keeps is named by the later one, and holds it up for a minute and no longer', async () => {
  const blocked = await openOutbox(app);
  const healthy = await openOutbox(app, blocked.desk);
  const { organizationId } = blocked.desk;
  await block(blocked, 'REFUSED');
  const ticketId = await ticketIn(blocked);
  const first = await blocked.queue({ kind: 'REPLY', ticketId });
  await waitsWith(blocked, first, 'SENDING_BLOCKED');
  const second = await healthy.queue({ kind: 'REPLY', ticketId });
  expect(await healthy.rests('PROMPT')).toBeLessThanOrEqual(60);
  expect(await seen(healthy, second)).toEqual({
    state: 'QUEUED',
    waitingFor: 'EARLIER_MESSAGE',
    problem: null,
    waitsBehind: { id: encodeGlobalId('OutboundMessage', first), problem: { code: 'SENDING_BLOCKED' } },
  });
  await query(
    blocked.desk,
    `update outbound_message set created_at = created_at - interval '1 minute' where organization_id = ? and id = ?`,
    [organizationId, first],
  );
  await healthy.wake();
  await healthy.reaches(second, 'SENT');
  expect(await seen(healthy, second)).toMatchObject({ waitingFor: null, waitsBehind: null });
  await block(blocked, 'NO');
  expect(await retry(blocked, first)).toMatch(TAKEN);
  await blocked.reaches(first, 'SENT');
  expect([await timesArrived(app, first), await timesArrived(app, second)]).toEqual([1, 1]);
});

test('from one mailbox replies go in their order, however long the first waits, and who writes is told', async () => {
  const outbox = await openOutbox(app);
  await control(app.emulator.url, 'faults', {
    status: 500,
    method: 'POST',
    pathPattern: '/messages$',
    mailbox: outbox.address,
  });
  const ticketId = await ticketIn(outbox);
  const first = await outbox.queue({ kind: 'REPLY', ticketId });
  await waitsWith(outbox, first, 'GRAPH_UNAVAILABLE');
  // While it is tried again nothing is the matter with it: between two tries the next one is put off.
  const isDueAfter = (interval: string) =>
    query<object[]>(
      outbox.desk,
      `update outbound_message set due_at = clock_timestamp() + ?::interval
        where organization_id = ? and id = ? and state = 'QUEUED' and problem is not null returning id`,
      [interval, outbox.desk.organizationId, first],
    );
  await eventually('it is not tried again', async () => (await isDueAfter('1 hour')).length > 0);
  const input = { ticketId: encodeGlobalId('Ticket', ticketId), text: 'Once more' };
  const preview = await outbox.desk.request<{
    previewReply: { warnings: { kind: string; message: string }[] };
  }>(
    `query ($input: PreviewReplyInput!) { previewReply(input: $input) {
       ... on ReplyPreview { warnings { kind message } } } }`,
    { input },
  );
  expect(preview.previewReply.warnings).toContainEqual({
    kind: 'EARLIER_MESSAGE_WAITS',
    message: expect.stringContaining('A mail of the outbox'),
  });
  const replied = await reply(app.url, outbox.desk.apiKey, input);
  expect(replied.warnings).toContainEqual({ kind: 'EARLIER_MESSAGE_WAITS' });
  const second = decodeId('OutboundMessage', replied.outboundMessage?.id ?? '');
  expect((await seen(outbox, second)).waitsBehind?.id).toBe(encodeGlobalId('OutboundMessage', first));
  await query(
    outbox.desk,
    `update outbound_message set created_at = created_at - interval '1 hour' where organization_id = ? and id = ?`,
    [outbox.desk.organizationId, first],
  );
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
  expect(await isDueAfter('0')).toHaveLength(1);
  await outbox.wake();
  await outbox.reaches(second, 'SENT');
  const order = [...(await arrivals(app, first)), ...(await arrivals(app, second))].map((one) => one.first);
  expect(order).toHaveLength(2);
  expect(order).toEqual(order.toSorted());
});

interface Sending {
  outgoing: { problem: { code: string; remedy: string } | null };
  identities: { canSend: boolean; problem: { code: string } | null }[];
}

async function sendingOf({ desk, mailboxId }: OutboxDesk): Promise<Sending> {
  const { node } = await desk.request<{ node: Sending }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox {
       outgoing { problem { code remedy } } identities { canSend problem { code } } } } }`,
    { id: encodeGlobalId('Mailbox', mailboxId) },
  );
  return node;
}

/** What is retried is shown as it is by then: it may be on its way already. */
const TAKEN = /^(QUEUED|SENDING|SENT)$/;

async function retry({ desk }: OutboxDesk, id: string): Promise<string | undefined> {
  const { retryOutboundMessage } = await desk.request<{
    retryOutboundMessage: { outboundMessage?: { state: string } };
  }>(
    `mutation ($id: ID!) { retryOutboundMessage(input: { outboundMessageId: $id }) {
       ... on RetryOutboundMessagePayload { outboundMessage { state } } } }`,
    { id: encodeGlobalId('OutboundMessage', id) },
  );
  return retryOutboundMessage.outboundMessage?.state;
}

test('SENDING_BLOCKED: a blocked account says so before anyone writes, and all that waits goes when one of it is retried after its release', async () => {
  const outbox = await openOutbox(app);
  const ticketId = await ticketIn(outbox);
  await block(outbox, 'REFUSED');
  const ids = await forkFor(app.database, outbox.desk.organizationId).transactional(async (em) => [
    await outbox.queue({}, em),
    await outbox.queue({ filesBytes: 10_000_000 }, em),
    await outbox.queue({}, em),
  ]);
  const told = await eventually('it says so', async () => {
    const found = await sendingOf(outbox);
    return found.outgoing.problem !== null && found;
  });
  expect(told).toMatchObject({
    outgoing: {
      problem: { code: 'SENDING_BLOCKED', remedy: expect.stringContaining('retryOutboundMessage') },
    },
    identities: [{ canSend: false, problem: { code: 'SENDING_BLOCKED' } }],
  });
  // The mailbox says so before the mails that were told are given back, one by each lane.
  await outbox.rests('PROMPT');
  await outbox.rests('BULKY');
  const answer = { ticketId: encodeGlobalId('Ticket', ticketId), text: 'An answer' };
  expect(await reply(app.url, outbox.desk.apiKey, answer)).toMatchObject({ code: 'SENDING_BLOCKED' });
  for (const id of ids) {
    expect(await seen(outbox, id)).toMatchObject({
      waitingFor: 'ACCOUNT',
      problem: { code: 'SENDING_BLOCKED' },
    });
  }
  await block(outbox, 'NO');
  expect(await retry(outbox, ids[2] ?? '')).toMatch(TAKEN);
  for (const id of ids) {
    await outbox.reaches(id, 'SENT');
    expect(await timesArrived(app, id)).toBe(1);
  }
  expect(await sendingOf(outbox)).toMatchObject({
    outgoing: { problem: null },
    identities: [{ canSend: true }],
  });
  expect((await reply(app.url, outbox.desk.apiKey, answer)).outboundMessage).toBeDefined();
});

test('a blocked account that nothing waits for is not taken to be blocked for ever', async () => {
  const outbox = await openOutbox(app);
  await block(outbox, 'REFUSED');
  const id = await outbox.queue();
  await waitsWith(outbox, id, 'SENDING_BLOCKED');
  await outbox.desk.request(
    'mutation ($id: ID!) { cancelOutboundMessage(input: { outboundMessageId: $id }) { __typename } }',
    { id: encodeGlobalId('OutboundMessage', id) },
  );
  const sweep = () => enqueue(forkFor(app.database, outbox.desk.organizationId), sweepOutboxJob, {});
  await sweep();
  expect((await sendingOf(outbox)).outgoing.problem?.code).toBe('SENDING_BLOCKED');
  await passPause(outbox, '16 minutes');
  await sweep();
  await eventually(
    'it may be written again',
    async () => (await sendingOf(outbox)).outgoing.problem === null,
  );
});

/** As if so much of the pause had passed. */
function passPause({ desk, mailboxId }: OutboxDesk, interval: string): Promise<unknown> {
  return query(
    desk,
    `update mailbox set sending_paused_until = sending_paused_until - ?::interval where organization_id = ? and id = ?`,
    [interval, desk.organizationId, mailboxId],
  );
}

test('while Microsoft wants a mailbox to pause none of its mail is tried, of either lane, and what met the pause goes first', async () => {
  const outbox = await openOutbox(app);
  await control(app.emulator.url, 'faults', {
    status: 429,
    errorCode: 'ErrorExceededMessageLimit',
    retryAfterSeconds: 120,
    pathPattern: '/send$',
    mailbox: outbox.address,
    count: 1,
  });
  const first = await outbox.queue();
  await waitsWith(outbox, first, 'SENDING_LIMIT_REACHED');
  const later = [await outbox.queue({ filesBytes: 10_000_000 }), await outbox.queue({ kind: 'REPLY' })];
  expect(await outbox.rests('PROMPT')).toBeGreaterThan(60);
  expect(await outbox.rests('BULKY')).toBeGreaterThan(60);
  for (const id of later) {
    expect(await outbox.read(id)).toMatchObject({ state: 'QUEUED', attempts: 0, draftAttemptedAt: null });
    expect(await seen(outbox, id)).toMatchObject({
      waitingFor: 'LIMIT',
      problem: { code: 'SENDING_LIMIT_REACHED' },
    });
  }
  // A person cannot end it, only Microsoft.
  await retry(outbox, first);
  expect(await outbox.rests('PROMPT')).toBeGreaterThan(60);
  await passPause(outbox, '120 seconds');
  await outbox.wake();
  const [early, , late] = [
    await outbox.reaches(first, 'SENT'),
    await outbox.reaches(later[0] ?? '', 'SENT'),
    await outbox.reaches(later[1] ?? '', 'SENT'),
  ];
  expect(early.sentAt?.getTime()).toBeLessThanOrEqual(late.sentAt?.getTime() ?? 0);
  for (const id of [first, ...later]) expect(await timesArrived(app, id)).toBe(1);
});
