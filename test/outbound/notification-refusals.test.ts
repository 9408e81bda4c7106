import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OutboundMessage } from '../../src/outbound/outbound-message.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { daysAgo, importReaches, lastImportOf, leave } from '../sync/import-harness.ts';
import {
  address,
  decided,
  decisions,
  mutate,
  newAgent,
  open,
  openStage,
  type Stage,
  settled,
  switchOn,
  update,
} from './notification-stage.ts';

/*
 * Whom no notification is ever sent to: whoever wrote what was imported, and ourselves.
 */

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

describe('history that was imported', () => {
  /** A desk that takes over the mail in its mailbox, with everything switched on before that; and its ticket. */
  async function imported(): Promise<{ stage: Stage; ticketId: string }> {
    const desk = await app.newDesk('History');
    const mailbox = await desk.connectMailbox(undefined, { sends: true });
    const stage: Stage = { app, desk, ...mailbox, fork: () => forkFor(app.database, desk.organizationId) };
    for (const kind of ['RECEIVED', 'ASSIGNED', 'REPLIED', 'CLOSED']) {
      await switchOn(desk, kind, { mailboxId: stage.mailboxId });
    }
    // Within the day in which things are still told: what keeps it back is that it is history.
    const mail = { subject: 'Before you came', from: address(), receivedDateTime: daysAgo(0, -60) };
    await leave(app, stage.address, [mail]);
    await desk.enable(stage.mailboxId, { existingMail: { mode: 'ARCHIVE', targetStatus: 'OPEN' } });
    await importReaches(desk, (await lastImportOf(desk, stage.mailboxId))?.id ?? '', 'SUCCEEDED');
    const { tickets } = await desk.request<{ tickets: { edges: { node: { id: string } }[] } }>(
      '{ tickets(first: 5) { edges { node { id } } } }',
    );
    return { stage, ticketId: tickets.edges[0]?.node.id ?? '' };
  }

  test('is not answered: nothing is even decided about it', async () => {
    const { stage, ticketId } = await imported();
    await settled(stage);
    expect(await decisions(stage.desk, ticketId)).toEqual([]);
    expect(await stage.fork().count(OutboundMessage, {})).toBe(0);
  });

  test('is not told to be closed either, when somebody tidies up', async () => {
    const { stage, ticketId } = await imported();
    await update(stage.desk, ticketId, { status: 'CLOSED' });
    expect(await decided(stage.desk, ticketId, 'CLOSED')).toMatchObject([
      { outcome: 'SKIPPED', reason: 'IMPORTED', outboundMessage: null },
    ]);
    expect(await stage.fork().count(OutboundMessage, {})).toBe(0);
  });

  test('keeps nobody from being told what a customer writes in it today', async () => {
    const { stage, ticketId } = await imported();
    const agent = await newAgent(stage);
    await update(stage.desk, ticketId, { assigneeId: agent.id });
    const { node } = await stage.desk.request<{
      node: { messages: { edges: { node: { internetMessageId: string } }[] } };
    }>(
      `query ($id: ID!) { node(id: $id) { ... on Ticket { messages(first: 1) { edges { node { internetMessageId } } } } } }`,
      { id: ticketId },
    );
    const inReplyTo = node.messages.edges[0]?.node.internetMessageId ?? '';
    const subject = 'Re: Before you came';
    await deliver(app.emulator.url, { to: stage.address, from: address(), subject, inReplyTo });
    await stage.desk.sync(stage.mailboxId);
    expect(await decided(stage.desk, ticketId, 'REPLIED')).toMatchObject([{ outcome: 'QUEUED' }]);
  });
});

describe('our own addresses', () => {
  const OWN = [{ outcome: 'SKIPPED', reason: 'OWN_ADDRESS', outboundMessage: null }];

  test('that a mailbox sends as, such as a list’s, are neither answered nor told of what was closed', async () => {
    const stage = await openStage(app);
    for (const kind of ['RECEIVED', 'CLOSED']) {
      await switchOn(stage.desk, kind, { mailboxId: stage.mailboxId });
    }
    const from = `list-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    const added = { mailboxId: stage.mailboxId, emailAddress: from };
    await mutate(stage.desk, 'addSendAsAddress', added, 'identity { id }');
    const ticket = await open(stage, { from });
    expect(await decided(stage.desk, ticket.id, 'RECEIVED')).toMatchObject(OWN);
    await update(stage.desk, ticket.id, { status: 'CLOSED' });
    expect(await decided(stage.desk, ticket.id, 'CLOSED')).toMatchObject(OWN);
    expect(await stage.fork().count(OutboundMessage, {})).toBe(0);
  });

  test('of mailboxes are not told of what was closed, though a person asked in their name; nor answered', async () => {
    const stage = await openStage(app);
    const { address: other } = await stage.desk.connectMailbox();
    await switchOn(stage.desk, 'RECEIVED', { mailboxId: stage.mailboxId });
    const written = await open(stage, { from: other });
    expect(await decided(stage.desk, written.id, 'RECEIVED')).toMatchObject([{ outcome: 'SKIPPED' }]);
    const { group } = await mutate<{ group: { id: string } }>(
      stage.desk,
      'createGroup',
      { name: 'Own' },
      'group { id }',
    );
    await switchOn(stage.desk, 'CLOSED', { groupId: group.id });
    for (const requesterEmail of [other, stage.address]) {
      const { ticket } = await mutate<{ ticket: { id: string } }>(
        stage.desk,
        'createTicket',
        { subject: 'By telephone', text: 'x', requesterEmail },
        'ticket { id }',
      );
      await update(stage.desk, ticket.id, { groupId: group.id, status: 'CLOSED' });
      expect(await decided(stage.desk, ticket.id, 'CLOSED')).toMatchObject(OWN);
    }
    expect(await stage.fork().count(OutboundMessage, {})).toBe(0);
  });

  test('are nobody’s whom a ticket is given to; their own mailbox is', async () => {
    const stage = await openStage(app);
    await switchOn(stage.desk, 'ASSIGNED', { mailboxId: stage.mailboxId });
    const { mailboxId, address: emailAddress } = await stage.desk.connectMailbox(undefined, { sends: true });
    const user = { name: 'Alex Agent', emailAddress, role: 'AGENT' };
    const { user: created } = await mutate<{ user: { id: string } }>(
      stage.desk,
      'createUser',
      user,
      'user { id }',
    );
    const ticket = await open(stage, { from: address() });
    await update(stage.desk, ticket.id, { assigneeId: created.id });
    expect(await decided(stage.desk, ticket.id, 'ASSIGNED')).toMatchObject(OWN);

    await mutate(stage.desk, 'updateOutgoingPolicy', { allowsPersonalSenders: true }, 'organization { id }');
    const own = { mailboxId, personalUserId: created.id };
    await mutate(stage.desk, 'updateOutgoingSettings', own, 'mailbox { id }');
    await update(stage.desk, ticket.id, { assigneeId: null });
    await update(stage.desk, ticket.id, { assigneeId: created.id });
    await eventually('the second assignment is told', async () =>
      (await decisions(stage.desk, ticket.id)).some(({ outcome }) => outcome === 'QUEUED'),
    );
  });
});
