import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeId, encodeGlobalId } from '../../src/graphql/global-id.ts';
import { forkFor } from '../../src/platform/database.ts';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { newCustomer, type OutboxDesk, openOutbox, timesArrived } from './outbox-desk.ts';
import { openTicket } from './reply-desk.ts';

let app: TestApp;
beforeAll(async () => {
  const outbox = { limits: { messagesPerMinute: 5, recipientsPerDay: 20 } };
  app = await startTestApp({}, { overrides: { outbox } });
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Outgoing {
  sentLastMinute: number;
  limitPerMinute: number;
  sentToday: number;
  limit: number;
  warnings: { code: string; message: string }[];
}

async function outgoingOf({ desk, mailboxId }: OutboxDesk): Promise<Outgoing> {
  const { node } = await desk.request<{ node: { outgoing: Outgoing } }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox { outgoing {
       sentLastMinute limitPerMinute sentToday limit warnings { code message } } } } }`,
    { id: encodeGlobalId('Mailbox', mailboxId) },
  );
  return node.outgoing;
}

/** As if so much time had passed since what was sent. */
function pass({ desk }: OutboxDesk, interval: string): Promise<unknown> {
  return forkFor(app.database, desk.organizationId).execute(
    `update outbound_message set send_attempted_at = send_attempted_at - ?::interval where organization_id = ?`,
    [interval, desk.organizationId],
  );
}

function states({ desk }: OutboxDesk): Promise<Record<string, number>> {
  return forkFor(app.database, desk.organizationId)
    .execute<{ state: string; count: number }[]>(
      'select state, count(*)::int as count from outbound_message where organization_id = ? group by state',
      [desk.organizationId],
    )
    .then((rows) => Object.fromEntries(rows.map(({ state, count }) => [state, count])));
}

test('what is above the limit of a minute waits, is shown, and goes when the minute is over', async () => {
  const outbox = await openOutbox(app);
  const ids: string[] = [];
  for (let mail = 0; mail < 7; mail += 1) ids.push(await outbox.queue());
  // The first that waits is taken once more by the run that the last one has asked for.
  await outbox.rests('PROMPT');
  expect(await states(outbox)).toEqual({ SENT: 5, QUEUED: 2 });
  const rows = await Promise.all(ids.map(outbox.read));
  const waiting = rows.filter(({ problem }) => problem?.code === 'SENDING_LIMIT_REACHED');
  expect(waiting.map(({ attempts }) => attempts)).toEqual([0]);
  const used = await outgoingOf(outbox);
  expect(used).toMatchObject({
    sentLastMinute: 5,
    limitPerMinute: 5,
    sentToday: 5,
    limit: 20,
  });
  expect(used.warnings.map(({ code }) => code)).toEqual(['SENDING_LIMIT_NEAR']);
  await pass(outbox, '1 minute');
  await outbox.wake();
  for (const id of ids) {
    await outbox.reaches(id, 'SENT');
    expect(await timesArrived(app, id)).toBe(1);
  }
});

test('notifications leave a part of the limit to what people write, which goes first', async () => {
  const outbox = await openOutbox(app);
  const notifications: string[] = [];
  for (let mail = 0; mail < 6; mail += 1) {
    notifications.push(await outbox.queue({ kind: 'NOTIFICATION' }));
  }
  await outbox.rests('PROMPT');
  expect(await states(outbox)).toEqual({ SENT: 4, QUEUED: 2 });
  const rows = await Promise.all(notifications.map(outbox.read));
  expect(rows.some(({ problem }) => problem?.code === 'SENDING_LIMIT_REACHED')).toBe(true);
  const reply = await outbox.queue({ kind: 'REPLY' });
  await outbox.reaches(reply, 'SENT');
  expect(await states(outbox)).toMatchObject({ SENT: 5 });
});

test('recipients of a day are counted, all of them, over 24 hours', async () => {
  const outbox = await openOutbox(app);
  const to = Array.from({ length: 12 }, () => ({ name: null, emailAddress: newCustomer() }));
  await outbox.reaches(await outbox.queue({ to }), 'SENT');
  const second = await outbox.queue({ to });
  await eventually('it waits for the day', async () => {
    const { problem } = await outbox.read(second);
    return problem?.code === 'SENDING_LIMIT_REACHED';
  });
  expect((await outgoingOf(outbox)).sentToday).toBe(12);
  await pass(outbox, '1 day');
  await outbox.wake();
  await outbox.reaches(second, 'SENT');
});

test('a mailbox that two organizations have connected has one limit', async () => {
  const one = await openOutbox(app);
  const other = await openOutbox(app);
  await forkFor(app.database, other.desk.organizationId).execute(
    'update mailbox set email_address = ? where organization_id = ? and id = ?',
    [one.address, other.desk.organizationId, other.mailboxId],
  );
  for (let mail = 0; mail < 5; mail += 1) await one.reaches(await one.queue(), 'SENT');
  const id = await other.queue();
  await eventually('it waits', async () => {
    return (await other.read(id)).problem?.code === 'SENDING_LIMIT_REACHED';
  });
  expect((await outgoingOf(other)).sentLastMinute).toBe(5);
});

/** Uses the part of the day up that notifications may use: 16 of 20 recipients. */
async function useUpNotifications(outbox: OutboxDesk): Promise<void> {
  const to = Array.from({ length: 16 }, () => ({ name: null, emailAddress: newCustomer() }));
  await outbox.reaches(await outbox.queue({ to }), 'SENT');
}

test('a reply that waits for the notification of its ticket is not kept for a day by the limit of notifications, and neither are all others', async () => {
  const outbox = await openOutbox(app);
  const mailboxId = encodeGlobalId('Mailbox', outbox.mailboxId);
  await outbox.desk.enable(mailboxId);
  const ticket = await openTicket(app, outbox.desk, mailboxId, {
    to: outbox.address,
    subject: `A question ${crypto.randomUUID()}`,
  });
  const ticketId = decodeId('Ticket', ticket.id);
  await useUpNotifications(outbox);
  const notification = await outbox.queue({ kind: 'NOTIFICATION', ticketId });
  await eventually('it waits', async () => {
    return (await outbox.read(notification)).problem?.code === 'SENDING_LIMIT_REACHED';
  });
  const reply = await outbox.queue({ kind: 'REPLY', ticketId });
  const another = await outbox.queue({ kind: 'REPLY' });
  await outbox.reaches(another, 'SENT');
  await outbox.reaches(reply, 'SENT');
  await outbox.reaches(notification, 'SENT');
});

test('a reply that is tried again in a moment does not wait as long as the notifications behind it', async () => {
  const outbox = await openOutbox(app);
  await useUpNotifications(outbox);
  await control(app.emulator.url, 'faults', {
    status: 500,
    method: 'POST',
    pathPattern: '/messages$',
    mailbox: outbox.address,
    count: 1,
  });
  const reply = await outbox.queue({ kind: 'REPLY' });
  await eventually('it is tried again', async () => (await outbox.read(reply)).problem != null);
  const notification = await outbox.queue({ kind: 'NOTIFICATION' });
  await eventually('the notification waits', async () => {
    return (await outbox.read(notification)).problem?.code === 'SENDING_LIMIT_REACHED';
  });
  await outbox.reaches(reply, 'SENT');
});
