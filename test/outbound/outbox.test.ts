import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { StoredMessage } from '../../src/emulator/mailbox.ts';
import { destroyMessage } from '../../src/emulator/messages.ts';
import { decodeId, encodeGlobalId } from '../../src/graphql/global-id.ts';
import { enqueue } from '../../src/jobs/define-job.ts';
import { Identity } from '../../src/mailboxes/identity.entity.ts';
import { deliverJob, sweepOutboxJob } from '../../src/outbound/deliver.jobs.ts';
import type { FaultPoint } from '../../src/outbound/fault-points.ts';
import { markOutboundBounced } from '../../src/outbound/outbound-messages.ts';
import { forkFor } from '../../src/platform/database.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { signInAs } from '../support/browser.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { arrivals, newCustomer, type OutboxDesk, openOutbox, timesArrived } from './outbox-desk.ts';

let app: TestApp;
/** What a delivery does at a point, once. */
let at: { point: FaultPoint; act: () => void | Promise<void> } | null = null;

beforeAll(async () => {
  app = await startTestApp(
    {},
    {
      overrides: {
        reached: async (point) => {
          if (at?.point !== point) return;
          const { act } = at;
          at = null;
          await act();
        },
        outbox: { times: { unclearSend: 500, lostDraft: 500 } },
      },
    },
  );
});
afterAll(() => app?.[Symbol.asyncDispose]());
beforeEach(async () => {
  at = null;
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
});

interface Result {
  outboundMessage?: { id: string; state: string };
  code?: string;
}

function change(outbox: OutboxDesk, name: 'retry' | 'cancel', id: string): Promise<Result> {
  const field = `${name}OutboundMessage`;
  const payload = `${name === 'retry' ? 'Retry' : 'Cancel'}OutboundMessagePayload`;
  return outbox.desk
    .request<Record<string, Result>>(
      `mutation ($id: ID!) { ${field}(input: { outboundMessageId: $id }) {
         ... on ${payload} { outboundMessage { id state } } ... on Error { code } } }`,
      { id: encodeGlobalId('OutboundMessage', id) },
    )
    .then((data) => data[field] ?? {});
}

/** Every message of a mailbox of the emulator. */
function mailsOf(address: string): StoredMessage[] {
  const known = app.emulator.state.addresses.get(address);
  const mailbox = known && app.emulator.state.mailboxes.get(known.userId);
  return mailbox ? [...mailbox.messages.values()] : [];
}

/** What lies in Drafts. */
function draftsOf(address: string): StoredMessage[] {
  const known = app.emulator.state.addresses.get(address);
  const mailbox = known && app.emulator.state.mailboxes.get(known.userId);
  const id = mailbox?.wellKnown.get('drafts');
  return mailsOf(address).filter(({ folderId }) => folderId === id);
}

async function ticketOf(outbox: OutboxDesk, attachments: { name: string; content: Buffer }[] = []) {
  const { desk, address } = outbox;
  const mailboxId = encodeGlobalId('Mailbox', outbox.mailboxId);
  await desk.enable(mailboxId);
  await deliver(app.emulator.url, {
    to: address,
    subject: `A question ${crypto.randomUUID()}`,
    attachments: attachments.map(({ name, content }) => ({ name, contentBytes: content.toString('base64') })),
  });
  await desk.sync(mailboxId);
  return await eventually('the ticket is there with its files', async () => {
    const { tickets } = await desk.request<{
      tickets: {
        edges: {
          node: {
            id: string;
            messages: { edges: { node: { id: string; attachments: { state: string }[] } }[] };
          };
        }[];
      };
    }>(
      '{ tickets(first: 1) { edges { node { id messages { edges { node { id attachments { state } } } } } } } }',
    );
    const ticket = tickets.edges[0]?.node;
    const message = ticket?.messages.edges[0]?.node;
    const stored = message?.attachments.filter(({ state }) => state === 'STORED').length;
    if (!ticket || !message || stored !== attachments.length) return false;
    return { ticketId: decodeId('Ticket', ticket.id), messageId: decodeId('Message', message.id) };
  });
}

test('files arrive whole, also when the process dies after each of them', async () => {
  const outbox = await openOutbox(app);
  const large = Buffer.alloc(4 * 1024 * 1024 + 7, 'a large file ');
  const { ticketId, messageId } = await ticketOf(outbox, [
    { name: 'small.txt', content: Buffer.from('small') },
    { name: 'large.bin', content: large },
  ]);
  let deaths = 0;
  const points: FaultPoint[] = ['file.session-kept', 'file.range-sent', 'file.added', 'files.stored'];
  const dieNext = () => {
    const point = points[deaths];
    if (point === undefined) return;
    const act = () => {
      deaths += 1;
      dieNext();
      throw new Error('killed');
    };
    at = { point, act };
  };
  dieNext();
  const to = newCustomer();
  await control(app.emulator.url, 'mailboxes', { address: to });
  const id = await outbox.queue({
    kind: 'REPLY',
    ticketId,
    messageId,
    to: [{ name: null, emailAddress: to }],
    filesBytes: large.length,
  });
  for (const [before, point] of points.entries()) {
    await eventually(`it dies at ${point}`, () => deaths === before + 1);
    await outbox.wake();
  }
  const row = await outbox.reaches(id, 'SENT');
  expect(row.lane).toBe('BULKY');
  expect(await timesArrived(app, id)).toBe(1);
  const [mail] = mailsOf(to);
  const digest = (content: Buffer) => createHash('sha256').update(content).digest('hex');
  expect(mail?.attachments.map(({ content }) => digest(content)).sort()).toEqual(
    [digest(Buffer.from('small')), digest(large)].sort(),
  );
  const left = await forkFor(app.database, outbox.desk.organizationId).execute(
    'select id from outbound_file_upload where outbound_message_id = ?',
    [id],
  );
  expect(left).toEqual([]);
});

test('the message of the ticket has the Message-ID of its mail before it is sent', async () => {
  const outbox = await openOutbox(app);
  const { ticketId, messageId } = await ticketOf(outbox);
  const seen = Promise.withResolvers<string | null>();
  at = {
    point: 'send.intent-committed',
    act: async () => {
      const em = forkFor(app.database, outbox.desk.organizationId);
      seen.resolve((await em.findOneOrFail(Message, { id: messageId })).internetMessageId ?? null);
    },
  };
  const id = await outbox.queue({ kind: 'REPLY', ticketId, messageId });
  const row = await outbox.reaches(id, 'SENT');
  expect(await seen.promise).toBe(row.internetMessageId);
});

test('mails of a ticket arrive in their order, also when the first fails at first and they go by different lanes', async () => {
  const outbox = await openOutbox(app);
  const { ticketId } = await ticketOf(outbox);
  const order: string[] = [];
  await control(app.emulator.url, 'faults', {
    status: 503,
    method: 'POST',
    pathPattern: '/messages$',
    mailbox: outbox.address,
    count: 1,
  });
  // The first is kept at its second try until it was seen what waits for it.
  const held = Promise.withResolvers<void>();
  at = { point: 'draft.created', act: () => held.promise };
  const ids = [];
  for (const filesBytes of [10_000_000, 0, 10_000_000, 0]) {
    ids.push(await outbox.queue({ kind: 'REPLY', ticketId, filesBytes }));
  }
  const second = await outbox.desk.request<{ node: { waitingFor: string } }>(
    'query ($id: ID!) { node(id: $id) { ... on OutboundMessage { waitingFor } } }',
    { id: encodeGlobalId('OutboundMessage', ids[1] ?? '') },
  );
  expect(second.node.waitingFor).toBe('EARLIER_MESSAGE');
  held.resolve();
  for (const id of ids) {
    await outbox.reaches(id, 'SENT');
    order.push(...(await arrivals(app, id)).map(({ first }) => first));
  }
  expect(order).toHaveLength(4);
  expect(order).toEqual(order.toSorted());
});

test('a mailbox that is throttled delays no other', async () => {
  const slow = await openOutbox(app);
  const quick = await openOutbox(app);
  await control(app.emulator.url, 'faults', {
    status: 429,
    retryAfterSeconds: 120,
    pathPattern: '/messages',
    mailbox: slow.address,
  });
  const waiting = await slow.queue();
  const id = await quick.queue();
  await quick.reaches(id, 'SENT');
  const row = await eventually('the other one waits', async () => {
    const found = await slow.read(waiting);
    return found.problem != null && found;
  });
  expect(row.state).toBe('QUEUED');
  expect(row.problem?.code).toBe('THROTTLED');
  expect(row.attempts).toBe(0);
});

test('two processes at the same mail send it once: the slower one writes nothing more', async () => {
  const outbox = await openOutbox(app);
  const held = Promise.withResolvers<void>();
  const isThere = Promise.withResolvers<void>();
  at = {
    point: 'draft.created',
    act: async () => {
      isThere.resolve();
      await held.promise;
    },
  };
  const id = await outbox.queue();
  await isThere.promise;
  // Outside of the queue, as after a worker has lost its database for a moment.
  const input = { organizationId: outbox.desk.organizationId, mailboxId: outbox.mailboxId, lane: 'PROMPT' };
  await forkFor(app.database, outbox.desk.organizationId).execute(
    'select graphile_worker.add_job(?, payload := ?::json)',
    [deliverJob.name, JSON.stringify(input)],
  );
  await outbox.reaches(id, 'SENT');
  held.resolve();
  const row = await eventually(
    'the copy is found',
    async () => {
      const found = await outbox.read(id);
      return found.sentCopy === 'FOUND' && found;
    },
    40_000,
  );
  expect(row.state).toBe('SENT');
  expect(await timesArrived(app, id)).toBe(1);
  expect(draftsOf(outbox.address)).toEqual([]);
});

test('a draft that somebody deletes before it is sent is made anew', async () => {
  const outbox = await openOutbox(app);
  at = {
    point: 'draft.stored',
    act: () => {
      const known = app.emulator.state.addresses.get(outbox.address);
      const mailbox = known && app.emulator.state.mailboxes.get(known.userId);
      for (const mail of mailsOf(outbox.address)) if (mailbox) destroyMessage(mailbox, mail);
    },
  };
  const id = await outbox.queue();
  await outbox.reaches(id, 'SENT');
  expect(await timesArrived(app, id)).toBe(1);
});

test('what is being sent cannot be cancelled, what waits can, and then never arrives', async () => {
  const outbox = await openOutbox(app);
  const held = Promise.withResolvers<void>();
  const isTaken = Promise.withResolvers<void>();
  at = {
    point: 'claim.committed',
    act: async () => {
      isTaken.resolve();
      await held.promise;
    },
  };
  const taken = await outbox.queue();
  await isTaken.promise;
  const waiting = await outbox.queue();
  expect((await change(outbox, 'cancel', taken)).code).toBe('OUTBOUND_MESSAGE_NOT_QUEUED');
  expect((await change(outbox, 'cancel', waiting)).outboundMessage?.state).toBe('CANCELLED');
  expect((await change(outbox, 'cancel', waiting)).outboundMessage?.state).toBe('CANCELLED');
  held.resolve();
  await outbox.reaches(taken, 'SENT');
  expect((await change(outbox, 'cancel', taken)).code).toBe('OUTBOUND_MESSAGE_NOT_QUEUED');
  expect((await change(outbox, 'retry', waiting)).code).toBe('OUTBOUND_MESSAGE_NOT_FAILED');
  expect(await timesArrived(app, waiting)).toBe(0);
});

test('what fails for a reason of the settings says so, and is sent once when it is retried', async () => {
  const outbox = await openOutbox(app);
  const { organizationId } = outbox.desk;
  const enable = (isEnabled: boolean) =>
    forkFor(app.database, organizationId).execute(
      'update mailbox set outgoing_enabled = ? where organization_id = ? and id = ?',
      [isEnabled, organizationId, outbox.mailboxId],
    );
  const held = Promise.withResolvers<void>();
  at = { point: 'claim.committed', act: () => held.promise };
  const first = await outbox.queue();
  const id = await outbox.queue();
  await enable(false);
  held.resolve();
  await outbox.reaches(first, 'SENT', 'FAILED');
  const row = await outbox.reaches(id, 'FAILED');
  expect(row.problem?.code).toBe('OUTGOING_DISABLED');
  await enable(true);
  expect((await change(outbox, 'retry', id)).outboundMessage?.state).toMatch(/QUEUED|SENDING|SENT/);
  await outbox.reaches(id, 'SENT');
  expect((await change(outbox, 'retry', id)).code).toBe('OUTBOUND_MESSAGE_NOT_FAILED');
  expect(await timesArrived(app, id)).toBe(1);
});

test('Send As that is denied fails the mail and the identity, and leaves no draft', async () => {
  const outbox = await openOutbox(app);
  await control(app.emulator.url, 'faults', {
    status: 403,
    errorCode: 'ErrorSendAsDenied',
    pathPattern: '/send$',
    mailbox: outbox.address,
  });
  const id = await outbox.queue();
  const row = await outbox.reaches(id, 'FAILED');
  expect(row.problem?.code).toBe('SEND_AS_DENIED');
  expect(row.sendAttemptedAt).toBeNull();
  const em = forkFor(app.database, outbox.desk.organizationId);
  expect((await em.findOneOrFail(Identity, { id: row.identity.id })).status).toBe('DENIED');
  await eventually('the draft is removed', () => draftsOf(outbox.address).length === 0, 30_000);
});

test('an identity that nobody knew of is ACTIVE after its first mail', async () => {
  const outbox = await openOutbox(app);
  const em = () => forkFor(app.database, outbox.desk.organizationId);
  await em().nativeUpdate(Identity, { mailbox: outbox.mailboxId }, { status: 'UNVERIFIED' });
  await outbox.reaches(await outbox.queue(), 'SENT');
  expect((await em().findOneOrFail(Identity, { mailbox: outbox.mailboxId })).status).toBe('ACTIVE');
});

test('mail waits while the account has to sign in, and goes as soon as it has', async () => {
  const outbox = await openOutbox(app);
  const { organizationId } = outbox.desk;
  const problem = {
    code: 'SIGN_IN_REQUIRED',
    message: 'm',
    remedy: 'r',
    since: new Date().toISOString(),
  };
  const held = Promise.withResolvers<void>();
  const isDrafted = Promise.withResolvers<void>();
  // By then a token is in memory: the first mail is not what waits for the sign-in.
  at = {
    point: 'send.intent-committed',
    act: async () => {
      isDrafted.resolve();
      await held.promise;
    },
  };
  const first = await outbox.queue();
  const id = await outbox.queue();
  await isDrafted.promise;
  const [account] = await forkFor(app.database, organizationId).execute<{ id: string }[]>(
    `update account set status = 'NEEDS_SIGN_IN', problem = ?::jsonb where organization_id = ? returning id`,
    [JSON.stringify(problem), organizationId],
  );
  held.resolve();
  await outbox.reaches(first, 'SENT');
  const read = () =>
    outbox.desk.request<{ node: { state: string; waitingFor: string; problem: { code: string } | null } }>(
      'query ($id: ID!) { node(id: $id) { ... on OutboundMessage { state waitingFor problem { code } } } }',
      { id: encodeGlobalId('OutboundMessage', id) },
    );
  await eventually('it waits', async () => (await read()).node.waitingFor === 'ACCOUNT');
  expect((await read()).node).toMatchObject({ state: 'QUEUED', problem: { code: 'SIGN_IN_REQUIRED' } });
  const { reauthenticate } = await outbox.desk.request<{ reauthenticate: { authorizationUrl: string } }>(
    `mutation ($id: ID!) { reauthenticate(input: { accountId: $id, purpose: SENDING }) {
       ... on ReauthenticatePayload { authorizationUrl } ... on Error { message } } }`,
    { id: encodeGlobalId('Account', account?.id ?? '') },
  );
  await signInAs(reauthenticate.authorizationUrl, outbox.address);
  await outbox.reaches(id, 'SENT');
});

test('a report of a mail that did not arrive makes it bounced', async () => {
  const outbox = await openOutbox(app);
  const { organizationId } = outbox.desk;
  const { ticketId, messageId } = await ticketOf(outbox);
  const id = await outbox.queue({ kind: 'REPLY', ticketId, messageId });
  await outbox.reaches(id, 'SENT');
  const mark = () =>
    forkFor(app.database, organizationId).transactional((em) =>
      markOutboundBounced(em, organizationId, { messageId }, new Date()),
    );
  expect(await mark()).toBe(true);
  expect((await outbox.read(id)).state).toBe('BOUNCED');
  expect(await mark()).toBe(false);
});

test('mail of a ticket that is deleted is not sent any more, and its drafts are removed', async () => {
  const outbox = await openOutbox(app);
  const { ticketId, messageId } = await ticketOf(outbox);
  const held = Promise.withResolvers<void>();
  const isDrafted = Promise.withResolvers<void>();
  at = {
    point: 'draft.stored',
    act: async () => {
      isDrafted.resolve();
      await held.promise;
    },
  };
  const ids = [await outbox.queue({ kind: 'REPLY', ticketId, messageId })];
  await isDrafted.promise;
  ids.push(await outbox.queue({ kind: 'REPLY', ticketId }));
  await outbox.desk.request(
    `mutation ($id: ID!) { deleteTicket(input: { ticketId: $id }) { ... on Error { message } } }`,
    { id: encodeGlobalId('Ticket', ticketId) },
  );
  held.resolve();
  for (const id of ids) {
    expect((await outbox.reaches(id, 'CANCELLED')).state).toBe('CANCELLED');
    expect(await timesArrived(app, id)).toBe(0);
  }
  await enqueue(forkFor(app.database, outbox.desk.organizationId), sweepOutboxJob, {});
  await eventually('no draft is left', () => draftsOf(outbox.address).length === 0);
});

test('a lane whose workers have died again and again goes on within a minute, not after the hours that jobs wait then', async () => {
  const outbox = await openOutbox(app);
  const em = forkFor(app.database, outbox.desk.organizationId);
  const id = await em.transactional(async (inside) => {
    const queued = await outbox.queue({ kind: 'TEST' }, inside);
    await inside.execute(
      `update graphile_worker._private_jobs set attempts = 9, last_error = 'Connection terminated unexpectedly',
         run_at = now() + interval '2 hours' where key = ?`,
      [`${deliverJob.name}:${outbox.mailboxId}:PROMPT`],
    );
    return queued;
  });
  await enqueue(em, sweepOutboxJob, {});
  await outbox.reaches(id, 'SENT');
});
