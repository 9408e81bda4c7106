import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { forkFor } from '../../src/platform/database.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { newCustomer, type OutboxDesk, openOutbox, timesArrived } from './outbox-desk.ts';

let app: TestApp;
beforeAll(async () => {
  const outbox = { limits: { messagesPerMinute: 5, recipientsPerDay: 20 } };
  app = await startTestApp({}, { overrides: { outbox } });
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Outgoing {
  sentLastMinute: number;
  recipientsToday: number;
  limits: { messagesPerMinute: number; recipientsPerDay: number };
  warnings: { code: string; message: string }[];
}

async function outgoingOf({ desk, mailboxId }: OutboxDesk): Promise<Outgoing> {
  const { node } = await desk.request<{ node: { outgoing: Outgoing } }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox { outgoing {
       sentLastMinute recipientsToday limits { messagesPerMinute recipientsPerDay } warnings { code message } } } } }`,
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
  const waiting = await eventually('one waits for the limit', async () => {
    const rows = await Promise.all(ids.map(outbox.read));
    return rows.find(({ problem }) => problem?.code === 'SENDING_LIMIT_REACHED');
  });
  expect(await states(outbox)).toEqual({ SENT: 5, QUEUED: 2 });
  expect(waiting.attempts).toBe(0);
  const used = await outgoingOf(outbox);
  expect(used).toMatchObject({
    sentLastMinute: 5,
    recipientsToday: 5,
    limits: { messagesPerMinute: 5, recipientsPerDay: 20 },
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
  await eventually('a notification waits', async () => {
    const rows = await Promise.all(notifications.map(outbox.read));
    return rows.some(({ problem }) => problem?.code === 'SENDING_LIMIT_REACHED');
  });
  expect(await states(outbox)).toEqual({ SENT: 4, QUEUED: 2 });
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
  expect((await outgoingOf(outbox)).recipientsToday).toBe(12);
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
