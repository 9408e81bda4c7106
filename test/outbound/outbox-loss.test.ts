import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Mailbox as EmulatorMailbox } from '../../src/emulator/mailbox.ts';
import { folderOf } from '../../src/emulator/mailbox-folders.ts';
import { destroyMessage, moveMessage } from '../../src/emulator/messages.ts';
import { decodeId, encodeGlobalId } from '../../src/graphql/global-id.ts';
import { enqueue } from '../../src/jobs/define-job.ts';
import { checkSentCopyJob, sweepOutboxJob } from '../../src/outbound/deliver.jobs.ts';
import type { FaultPoint } from '../../src/outbound/fault-points.ts';
import { forkFor } from '../../src/platform/database.ts';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { newCustomer, type OutboxDesk, openOutbox, timesArrived } from './outbox-desk.ts';
import { type OpenedTicket, openTicket } from './reply-desk.ts';

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
        outbox: { times: { lostDraft: 2_000 }, bulkyRuns: 1 },
      },
    },
  );
});
afterAll(() => app?.[Symbol.asyncDispose]());
beforeEach(async () => {
  at = null;
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
});

/** The mailbox as the emulator has it. */
function emulated({ address }: Pick<OutboxDesk, 'address'>): EmulatorMailbox {
  const known = app.emulator.state.addresses.get(address);
  const mailbox = known && app.emulator.state.mailboxes.get(known.userId);
  if (!mailbox) throw new Error(`The emulator has no ${address}.`);
  return mailbox;
}

/** How many mails lie in Drafts. */
function draftsOf(outbox: OutboxDesk): number {
  const mailbox = emulated(outbox);
  const { id } = folderOf(mailbox, 'drafts');
  return [...mailbox.messages.values()].filter(({ folderId }) => folderId === id).length;
}

interface Shown {
  state: string;
  problem: { code: string; retryAt: string | null } | null;
}

function show({ desk }: OutboxDesk, id: string): Promise<Shown> {
  return desk
    .request<{ node: Shown }>(
      'query ($id: ID!) { node(id: $id) { ... on OutboundMessage { state problem { code retryAt } } } }',
      { id: encodeGlobalId('OutboundMessage', id) },
    )
    .then(({ node }) => node);
}

/** Waits for a problem and the state that goes with it: while a mail is tried again it still says why it has waited. */
async function showsProblem(outbox: OutboxDesk, id: string, state: string, code: string): Promise<Shown> {
  return await eventually(
    `${code} is shown`,
    async () => {
      const shown = await show(outbox, id);
      return shown.state === state && shown.problem?.code === code && shown;
    },
    30_000,
  );
}

/** As if Microsoft had been told to send it so long ago that what is unclear has settled; then it is due. */
function settle({ desk }: OutboxDesk, id: string): Promise<unknown> {
  return forkFor(app.database, desk.organizationId).execute(
    `update outbound_message set send_attempted_at = send_attempted_at - interval '1 hour', due_at = clock_timestamp()
      where organization_id = ? and id = ?`,
    [desk.organizationId, id],
  );
}

async function change(outbox: OutboxDesk, mutation: string, id: string): Promise<string | null> {
  const data = await outbox.desk.request<Record<string, { code?: string }>>(
    `mutation ($id: ID!) { ${mutation}(input: { outboundMessageId: $id }) { ... on Error { code } } }`,
    { id: encodeGlobalId('OutboundMessage', id) },
  );
  return data[mutation]?.code ?? null;
}

async function ticketOf(
  outbox: OutboxDesk,
  attachments: { name: string; contentBytes: string }[] = [],
): Promise<OpenedTicket & { ticketId: string; ownMessageId: string }> {
  const mailboxId = encodeGlobalId('Mailbox', outbox.mailboxId);
  await outbox.desk.enable(mailboxId);
  const mail = { to: outbox.address, subject: `A question ${crypto.randomUUID()}`, attachments };
  const ticket = await openTicket(app, outbox.desk, mailboxId, mail);
  const ownMessageId = decodeId('Message', ticket.messageId);
  await eventually('its files are stored', async () => {
    const stored = await forkFor(app.database, outbox.desk.organizationId).execute<object[]>(
      `select from attachment where organization_id = ? and message_id = ? and state = 'STORED'`,
      [outbox.desk.organizationId, ownMessageId],
    );
    return stored.length === attachments.length;
  });
  return { ...ticket, ticketId: decodeId('Ticket', ticket.id), ownMessageId };
}

test('DRAFT_DELETED: a draft that somebody deletes for good is looked for and made anew, once', async () => {
  const outbox = await openOutbox(app);
  at = {
    point: 'draft.stored',
    act: () => {
      const mailbox = emulated(outbox);
      for (const mail of [...mailbox.messages.values()]) destroyMessage(mailbox, mail);
    },
  };
  const id = await outbox.queue();
  const shown = await showsProblem(outbox, id, 'QUEUED', 'DRAFT_DELETED');
  expect(shown.problem?.retryAt).not.toBeNull();
  await outbox.reaches(id, 'SENT');
  expect(await timesArrived(app, id)).toBe(1);
});

test('SEND_UNCLEAR: after an answer that was lost the draft is left alone, cannot be cancelled, and goes once', async () => {
  const outbox = await openOutbox(app);
  const fault = { status: 504, pathPattern: '/send$', mailbox: outbox.address, count: 1 };
  await control(app.emulator.url, 'faults', fault);
  const id = await outbox.queue();
  await showsProblem(outbox, id, 'SENDING', 'SEND_UNCLEAR');
  expect(await change(outbox, 'cancelOutboundMessage', id)).toBe('OUTBOUND_MESSAGE_NOT_QUEUED');
  await settle(outbox, id);
  await outbox.wake();
  await outbox.reaches(id, 'SENT');
  expect(await timesArrived(app, id)).toBe(1);
});

test('FILE_MISSING: a mail whose file is gone fails, is not sent without it, and leaves no draft', async () => {
  const outbox = await openOutbox(app);
  const contentBytes = Buffer.from(`a file ${crypto.randomUUID()}`).toString('base64');
  const { ticketId, ownMessageId } = await ticketOf(outbox, [{ name: 'a.txt', contentBytes }]);
  await forkFor(app.database, outbox.desk.organizationId).execute(
    'delete from object_chunk where object_id in (select stored_content_id from attachment where organization_id = ?)',
    [outbox.desk.organizationId],
  );
  const id = await outbox.queue({ kind: 'REPLY', ticketId, messageId: ownMessageId, filesBytes: 10 });
  await outbox.reaches(id, 'FAILED', 'SENT');
  expect(await show(outbox, id)).toMatchObject({ state: 'FAILED', problem: { code: 'FILE_MISSING' } });
  expect(await timesArrived(app, id)).toBe(0);
  await eventually('the draft is removed', () => draftsOf(outbox) === 0, 30_000);
});

test('SENT_COPY_ELSEWHERE: a copy that a rule moves away is found, told of once, and nothing is sent again', async () => {
  const outbox = await openOutbox(app);
  const isMoved = Promise.withResolvers<void>();
  at = {
    point: 'sent.stored',
    act: () => {
      const mailbox = emulated(outbox);
      const sent = folderOf(mailbox, 'sentitems');
      for (const mail of [...mailbox.messages.values()].filter(({ folderId }) => folderId === sent.id)) {
        moveMessage(mailbox, mail, folderOf(mailbox, 'archive'), app.emulator.state.clock.now());
      }
      isMoved.resolve();
    },
  };
  const id = await outbox.queue();
  await outbox.reaches(id, 'SENT');
  // That it is sent can be seen before the rule has done its work.
  await isMoved.promise;
  const { mailboxId, desk } = outbox;
  const look = { organizationId: desk.organizationId, mailboxId, outboundMessageId: id, looked: 3 };
  await enqueue(forkFor(app.database, desk.organizationId), checkSentCopyJob, look);
  await eventually('it was looked for', async () => (await outbox.read(id)).sentCopy === 'ELSEWHERE', 30_000);
  const { node } = await desk.request<{ node: { outgoing: { warnings: { code: string }[] } } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { outgoing { warnings { code } } } } }',
    { id: encodeGlobalId('Mailbox', mailboxId) },
  );
  expect(node.outgoing.warnings.map(({ code }) => code)).toEqual(['SENT_COPY_ELSEWHERE']);
  expect(await timesArrived(app, id)).toBe(1);
});

test('a mail that Microsoft took and never sent is not lost with its draft: it goes after all, once', async () => {
  const outbox = await openOutbox(app);
  const fault = { status: 202, pathPattern: '/send$', mailbox: outbox.address, count: 1 };
  await control(app.emulator.url, 'faults', fault);
  const id = await outbox.queue();
  await outbox.reaches(id, 'SENT');
  await settle(outbox, id);
  await eventually('it arrives', async () => (await timesArrived(app, id)) === 1, 40_000);
  await eventually('its copy is found', async () => (await outbox.read(id)).sentCopy === 'FOUND', 40_000);
  expect(await timesArrived(app, id)).toBe(1);
});

test('what has failed is not sent any more when its ticket is deleted: its files are gone', async () => {
  const outbox = await openOutbox(app);
  const contentBytes = Buffer.from(`a file ${crypto.randomUUID()}`).toString('base64');
  const { id: globalId, ticketId, ownMessageId } = await ticketOf(outbox, [{ name: 'a.txt', contentBytes }]);
  const fault = {
    status: 403,
    errorCode: 'ErrorAccessDenied',
    pathPattern: '/send$',
    mailbox: outbox.address,
  };
  await control(app.emulator.url, 'faults', fault);
  const id = await outbox.queue({ kind: 'REPLY', ticketId, messageId: ownMessageId, filesBytes: 10 });
  await outbox.reaches(id, 'FAILED');
  await control(app.emulator.url, 'faults', undefined, 'DELETE');
  await outbox.desk.request(
    `mutation ($id: ID!) { deleteTicket(input: { ticketId: $id }) { ... on Error { message } } }`,
    { id: globalId },
  );
  expect((await show(outbox, id)).state).toBe('CANCELLED');
  expect(await change(outbox, 'retryOutboundMessage', id)).toBe('OUTBOUND_MESSAGE_NOT_FAILED');
  await enqueue(forkFor(app.database, outbox.desk.organizationId), sweepOutboxJob, {});
  await eventually('no draft is left', () => draftsOf(outbox) === 0, 30_000);
  expect(await timesArrived(app, id)).toBe(0);
});

test('large mails take only some of the places of a process: others go, and large ones later', async () => {
  const slow = await openOutbox(app);
  const other = await openOutbox(app);
  const held = Promise.withResolvers<void>();
  const isTaken = Promise.withResolvers<void>();
  at = {
    point: 'claim.committed',
    act: async () => {
      isTaken.resolve();
      await held.promise;
    },
  };
  const uploading = await slow.queue({ filesBytes: 10_000_000 });
  await isTaken.promise;
  const large = await other.queue({ filesBytes: 10_000_000 });
  const small = await other.queue();
  await other.reaches(small, 'SENT');
  expect((await other.read(large)).state).toBe('QUEUED');
  held.resolve();
  await slow.reaches(uploading, 'SENT');
  await other.reaches(large, 'SENT');
});

test('a mail that cannot be stored holds up no other, and goes when it can', async () => {
  const outbox = await openOutbox(app);
  const { ownMessageId, ticketId } = await ticketOf(outbox);
  const execute = (sql: string) => forkFor(app.database, outbox.desk.organizationId).execute(sql);
  await execute(`create function refuse_message() returns trigger language plpgsql as
    $$ begin raise exception 'not now'; end $$;
    create trigger refuse_message before update on message for each row
      when (old.id = '${ownMessageId}') execute function refuse_message()`);
  onTestFinished(() => execute('drop function if exists refuse_message cascade').then(() => undefined));
  const stuck = await outbox.queue({ kind: 'REPLY', ticketId, messageId: ownMessageId });
  await eventually(
    'its draft was asked for',
    async () => (await outbox.read(stuck)).draftAttemptedAt != null,
  );
  const other = await outbox.queue();
  await outbox.reaches(other, 'SENT');
  await showsProblem(outbox, stuck, 'QUEUED', 'INTERNAL_SERVER_ERROR');
  await execute('drop function refuse_message cascade');
  await outbox.reaches(stuck, 'SENT');
  expect(await timesArrived(app, stuck)).toBe(1);
});

test('a file whose first request comes through late arrives once', async () => {
  const outbox = await openOutbox(app);
  const to = newCustomer();
  await control(app.emulator.url, 'mailboxes', { address: to });
  const contentBytes = Buffer.from(`a file ${crypto.randomUUID()}`).toString('base64');
  const { ticketId, ownMessageId } = await ticketOf(outbox, [{ name: 'a.txt', contentBytes }]);
  const fault = {
    status: 504,
    method: 'POST',
    pathPattern: '/attachments$',
    mailbox: outbox.address,
    count: 1,
  };
  await control(app.emulator.url, 'faults', fault);
  at = {
    point: 'file.added',
    act: () => {
      for (const draft of folderOf(emulated(outbox), 'drafts').messages) {
        draft.attachments.push(...draft.attachments.map((file) => ({ ...file, id: `${file.id}-late` })));
      }
    },
  };
  const recipients = [{ name: null, emailAddress: to }];
  const id = await outbox.queue({ kind: 'REPLY', ticketId, messageId: ownMessageId, to: recipients });
  await outbox.reaches(id, 'SENT');
  expect(await timesArrived(app, id)).toBe(1);
  const [mail] = folderOf(emulated({ address: to }), 'inbox').messages;
  expect(mail?.attachments.map(({ name }) => name)).toEqual(['a.txt']);
});
