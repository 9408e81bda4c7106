import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { notify } from '../../src/outbound/notify.ts';
import { DAY } from '../../src/platform/clock.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { signIn } from '../access/harness.ts';
import { rowId } from '../security/filled-desk.ts';
import { headerOf, newCustomer } from '../send/customer.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  address,
  decided,
  decisions,
  mutate,
  newAgent,
  open,
  openStage,
  SWITCHES,
  settled,
  switchOn,
  update,
} from './notification-stage.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const newStage = () => openStage(app);

describe('a new mailbox', () => {
  test('writes to nobody by itself, and what was taken in before a switch is not answered', async () => {
    const stage = await newStage();
    const ticket = await open(stage, { from: address() });
    const { node } = await stage.desk.request<{ node: object }>(
      `query ($id: ID!) { node(id: $id) { ... on Mailbox { ${SWITCHES} } } }`,
      { id: stage.mailboxId },
    );
    expect(node).toEqual({
      notifications: ['RECEIVED', 'ASSIGNED', 'REPLIED', 'CLOSED'].map((kind) => ({
        kind,
        enabled: false,
        inherited: true,
      })),
    });
    await switchOn(stage.desk, 'RECEIVED', { mailboxId: stage.mailboxId });
    await settled(stage);
    expect(await decisions(stage.desk, ticket.id)).toEqual([]);
    expect(await stage.fork().count(Message, { ticket: rowId(ticket.id), kind: 'OUTBOUND' })).toBe(0);
  });
});

describe('RECEIVED', () => {
  test('reaches the customer in their thread, as automatic mail, and their answer to it finds the ticket', async () => {
    const stage = await newStage();
    await switchOn(stage.desk, 'RECEIVED', { mailboxId: stage.mailboxId });
    const customer = await newCustomer(app.emulator);
    await customer.writes(stage.address, 'Printer <b>on fire</b>', 'Help');
    await stage.desk.sync(stage.mailboxId);
    const received = await customer.gets(
      'the notification',
      ({ subject }) => subject?.includes('[#') ?? false,
    );
    const number = Number(/\[#(\d+)\]/.exec(received.subject ?? '')?.[1]);
    expect(received.subject).toBe(`Re: Printer <b>on fire</b> [#${number}]`);
    expect(received.from?.emailAddress?.address).toBe(stage.address);
    expect(headerOf(received, 'X-Auto-Response-Suppress')).not.toBeNull();
    const [sent] = await customer.messages('sentitems');
    expect(headerOf(received, 'In-Reply-To') ?? headerOf(received, 'References')).toContain(
      sent?.internetMessageId,
    );
    const { ticket } = await stage.desk.request<{ ticket: { id: string } }>(
      `{ ticket(number: ${number}) { id } }`,
    );
    const own = await stage.fork().findOneOrFail(Message, { ticket: rowId(ticket.id), kind: 'OUTBOUND' });
    expect(own).toMatchObject({ automatic: 'AUTO_GENERATED', author: null });
    await customer.answers(received, 'And the toner');
    await stage.desk.sync(stage.mailboxId);
    await eventually('the answer is in the ticket', async () => {
      await stage.desk.sync(stage.mailboxId);
      return (await stage.fork().count(Message, { ticket: rowId(ticket.id), kind: 'INBOUND' })) === 2;
    });
    expect((await decisions(stage.desk, ticket.id)).map(({ kind, outcome }) => [kind, outcome])).toEqual([
      ['RECEIVED', 'QUEUED'],
    ]);
  });

  test('goes to no machine, and to no address that nobody reads', async () => {
    const stage = await newStage();
    await switchOn(stage.desk, 'RECEIVED', { mailboxId: stage.mailboxId });
    const cases: [object, string][] = [
      [{ from: address(), headers: { 'Auto-Submitted': 'auto-generated' } }, 'AUTOMATIC'],
      [{ from: address(), headers: { 'List-Id': '<news.fabrikam.example>' } }, 'AUTOMATIC'],
      [{ from: 'No-Reply <no-reply@fabrikam.example>' }, 'NO_REPLY_ADDRESS'],
      [{ from: 'donotreply@fabrikam.example' }, 'NO_REPLY_ADDRESS'],
    ];
    for (const [mail, reason] of cases) {
      const ticket = await open(stage, mail);
      const [decision] = await decided(stage.desk, ticket.id, 'RECEIVED');
      expect([mail, decision?.reason]).toEqual([mail, reason]);
      expect(decision).toMatchObject({ outcome: 'SKIPPED', outboundMessage: null });
      expect(decision?.explanation).toMatch(/^Not sent: .*\.$/);
    }
  });

  test('comes once to a sender within the pause, and to none beyond the limit of a day', async () => {
    const stage = await newStage();
    await switchOn(stage.desk, 'RECEIVED', { mailboxId: stage.mailboxId });
    const from = address();
    const first = await open(stage, { from, subject: 'One' });
    const second = await open(stage, { from, subject: 'Two' });
    expect(await decided(stage.desk, first.id, 'RECEIVED')).toMatchObject([{ outcome: 'QUEUED' }]);
    expect(await decided(stage.desk, second.id, 'RECEIVED')).toMatchObject([{ reason: 'RECENTLY_TOLD' }]);
    await mutate(
      stage.desk,
      'updateNotificationPolicy',
      { receivedPauseMinutes: 0, contactLimitPerDay: 2 },
      'organization { notificationPolicy { receivedPauseMinutes contactLimitPerDay } }',
    );
    const third = await open(stage, { from, subject: 'Three' });
    const fourth = await open(stage, { from, subject: 'Four' });
    expect(await decided(stage.desk, third.id, 'RECEIVED')).toMatchObject([{ outcome: 'QUEUED' }]);
    expect(await decided(stage.desk, fourth.id, 'RECEIVED')).toMatchObject([{ reason: 'LIMIT_REACHED' }]);
  });

  test('tells nobody of a message that was moved out of another ticket, nor of mail that lay there for long', async () => {
    const stage = await newStage();
    const from = address();
    const ticket = await open(stage, { from });
    const second = await deliver(app.emulator.url, {
      to: stage.address,
      from,
      subject: 'Another thing',
      inReplyTo: ticket.internetMessageId,
    });
    await stage.desk.sync(stage.mailboxId);
    const moved = await stage
      .fork()
      .findOneOrFail(Message, { internetMessageId: second.internetMessageId }, { populate: ['ticket'] });
    await switchOn(stage.desk, 'RECEIVED', { mailboxId: stage.mailboxId });
    const { ticket: apart } = await mutate<{ ticket: { id: string } }>(
      stage.desk,
      'moveMessageToTicket',
      { messageId: encodeGlobalId('Message', moved.id) },
      'ticket { id }',
    );
    await settled(stage);
    expect(await decisions(stage.desk, apart.id)).toEqual([]);

    const old = await open(stage, { from: 'no-reply@fabrikam.example' });
    await decided(stage.desk, old.id, 'RECEIVED');
    const recordedAt = new Date(Date.now() + 2 * DAY);
    await stage.fork().transactional((em) =>
      notify(
        em,
        {
          organizationId: stage.desk.organizationId,
          kind: 'RECEIVED',
          ticketId: rowId(old.id),
          messageId: null,
          position: 2n ** 60n,
          recordedAt,
        },
        recordedAt,
      ),
    );
    expect(await decided(stage.desk, old.id, 'RECEIVED', 2)).toContainEqual(
      expect.objectContaining({ reason: 'TOO_OLD' }),
    );
  });

  test('is not sent from a mailbox that cannot send, and says why', async () => {
    const stage = await newStage();
    await switchOn(stage.desk, 'RECEIVED', { mailboxId: stage.mailboxId });
    await mutate(
      stage.desk,
      'updateOutgoingSettings',
      { mailboxId: stage.mailboxId, enabled: false },
      'mailbox { id }',
    );
    const ticket = await open(stage, { from: address() });
    expect(await decided(stage.desk, ticket.id, 'RECEIVED')).toMatchObject([
      { outcome: 'SKIPPED', reason: 'CANNOT_SEND', explanation: expect.stringMatching(/switched off/) },
    ]);
  });

  test('of a group counts more than of the mailbox, and inherit goes back to it', async () => {
    const stage = await newStage();
    await switchOn(stage.desk, 'RECEIVED', { mailboxId: stage.mailboxId });
    const { group } = await mutate<{ group: { id: string } }>(
      stage.desk,
      'createGroup',
      { name: 'Quiet' },
      'group { id }',
    );
    await mutate(
      stage.desk,
      'updateIncomingSettings',
      { mailboxId: stage.mailboxId, groupId: group.id },
      'mailbox { id }',
    );
    const off = await switchOn(stage.desk, 'RECEIVED', { groupId: group.id }, { enabled: false });
    expect(off).toMatchObject({
      notifications: [{ kind: 'RECEIVED', enabled: false, inherited: false }, {}, {}, {}],
    });
    const silent = await open(stage, { from: address() });
    await settled(stage);
    expect(await decisions(stage.desk, silent.id)).toEqual([]);
    await switchOn(stage.desk, 'RECEIVED', { groupId: group.id }, { inherit: true });
    const told = await open(stage, { from: address() });
    expect(await decided(stage.desk, told.id, 'RECEIVED')).toMatchObject([{ outcome: 'QUEUED' }]);
  });
});

describe('people here', () => {
  test('are told what they were given and who wrote, and their answer is a note that the customer does not see', async () => {
    const stage = await newStage();
    const agent = await newAgent(stage);
    for (const kind of ['ASSIGNED', 'REPLIED'])
      await switchOn(stage.desk, kind, { mailboxId: stage.mailboxId });
    const from = address();
    const ticket = await open(stage, { from, text: 'It <i>burns</i>.' });
    await update(stage.desk, ticket.id, { assigneeId: agent.id });
    const assigned = await agent.customer.gets(
      'the assignment',
      ({ subject }) => subject?.includes('is yours') ?? false,
    );
    expect(assigned.subject).toBe(`Ticket #${ticket.number} is yours: Printer on fire`);
    expect(assigned.body?.content).toContain('It &lt;i&gt;burns&lt;/i&gt;.');
    await deliver(app.emulator.url, {
      to: stage.address,
      from,
      subject: 'Re: Printer on fire',
      text: 'It still does.',
      inReplyTo: ticket.internetMessageId,
    });
    await stage.desk.sync(stage.mailboxId);
    const replied = await agent.customer.gets(
      'the reply',
      ({ subject }) => subject?.includes('wrote in') ?? false,
    );
    expect(replied.body?.content).toContain('It still does.');
    expect(await stage.fork().count(Message, { ticket: rowId(ticket.id), kind: 'OUTBOUND' })).toBe(0);

    await deliver(app.emulator.url, {
      to: stage.address,
      from: agent.emailAddress,
      subject: 'Automatic reply: away',
      ...(replied.internetMessageId ? { inReplyTo: replied.internetMessageId } : {}),
      ...{ headers: { 'Auto-Submitted': 'auto-replied' } },
    });
    await agent.customer.answers(replied, 'I am on my way.');
    const note = await eventually('the note is there', async () => {
      await stage.desk.sync(stage.mailboxId);
      const found = await stage
        .fork()
        .findOne(Message, { ticket: rowId(ticket.id), kind: 'NOTE' }, { populate: ['strippedText'] });
      return found ?? false;
    });
    expect(note).toMatchObject({ from: null, to: [], internetMessageId: null });
    expect(note.author?.id).toBe(rowId(agent.id));
    expect(note.strippedText).toContain('I am on my way.');
    const { contacts } = await stage.desk.request<{
      contacts: { edges: { node: { emailAddress: string } }[] };
    }>('{ contacts(first: 50) { edges { node { emailAddress } } } }');
    expect(contacts.edges.map(({ node }) => node.emailAddress)).not.toContain(agent.emailAddress);
    const { tickets } = await stage.desk.request<{ tickets: { edges: object[] } }>(
      '{ tickets(first: 50) { edges { node { id } } } }',
    );
    expect(tickets.edges).toHaveLength(1);
    // The robot of the colleague is no message of the ticket.
    expect(await stage.fork().count(Message, { ticket: rowId(ticket.id) })).toBe(3);
  });

  test('whoever else answers such a mail does not write as them', async () => {
    const stage = await newStage();
    const agent = await newAgent(stage);
    await switchOn(stage.desk, 'ASSIGNED', { mailboxId: stage.mailboxId });
    const ticket = await open(stage, { from: address() });
    await update(stage.desk, ticket.id, { assigneeId: agent.id });
    const assigned = await agent.customer.gets(
      'the assignment',
      ({ subject }) => subject?.includes('is yours') ?? false,
    );
    await deliver(app.emulator.url, {
      to: stage.address,
      from: 'mallory@evil.example',
      subject: 'Re: yours',
      ...(assigned.internetMessageId ? { inReplyTo: assigned.internetMessageId } : {}),
    });
    await stage.desk.sync(stage.mailboxId);
    const joined = await stage.fork().findOneOrFail(Message, { subject: 'Re: yours' });
    expect(joined).toMatchObject({
      kind: 'INBOUND',
      author: null,
      from: { emailAddress: 'mallory@evil.example' },
    });
  });

  test('are not written as by who has their mail and forges their address', async () => {
    const stage = await newStage();
    const agent = await newAgent(stage);
    await switchOn(stage.desk, 'ASSIGNED', { mailboxId: stage.mailboxId });
    const ticket = await open(stage, { from: address() });
    await update(stage.desk, ticket.id, { assigneeId: agent.id });
    const assigned = await agent.customer.gets(
      'the assignment',
      ({ subject }) => subject?.includes('is yours') ?? false,
    );
    const answer = {
      to: stage.address,
      from: agent.emailAddress,
      ...(assigned.internetMessageId ? { inReplyTo: assigned.internetMessageId } : {}),
    };
    const verdict = (authentication: string) => ({ headers: { 'Authentication-Results': authentication } });
    await deliver(app.emulator.url, {
      ...answer,
      subject: 'Forged',
      ...verdict(
        'spf=pass smtp.mailfrom=evil.example; dkim=none; dmarc=fail action=none; compauth=fail reason=001',
      ),
    });
    await deliver(app.emulator.url, {
      ...answer,
      subject: 'Genuine',
      ...verdict('spf=pass; dkim=pass; dmarc=pass action=none; compauth=pass reason=100'),
    });
    await stage.desk.sync(stage.mailboxId);
    const written = async (subject: string) => stage.fork().findOneOrFail(Message, { subject });
    expect(await written('Forged')).toMatchObject({ kind: 'INBOUND', author: null });
    expect(await written('Genuine')).toMatchObject({ kind: 'NOTE', author: { id: rowId(agent.id) } });
  });

  test('are not told what they did themselves, nor without an address', async () => {
    const stage = await newStage();
    for (const kind of ['ASSIGNED', 'REPLIED'])
      await switchOn(stage.desk, kind, { mailboxId: stage.mailboxId });
    const { user, secret } = await signIn(app.database, stage.desk.organizationId, 'AGENT');
    const id = Buffer.from(`User:${user.id}`).toString('base64url');
    const ticket = await open(stage, { from: address() });
    const self = {
      request: <Data>(query: string, variables?: Record<string, unknown>) =>
        graphqlRequest<Data>(app.url, secret, query, variables),
    };
    await update(self as Desk, ticket.id, { assigneeId: id });
    expect(await decided(stage.desk, ticket.id, 'ASSIGNED')).toMatchObject([{ reason: 'OWN_DOING' }]);
    await update(stage.desk, ticket.id, { assigneeId: null });
    await update(stage.desk, ticket.id, { assigneeId: id });
    const [newest] = await decided(stage.desk, ticket.id, 'ASSIGNED', 2);
    expect(newest).toMatchObject({ reason: 'NO_RECIPIENT' });
  });
});

describe('CLOSED', () => {
  test('tells who asked, not when the ticket is open again, and not of machines’ tickets', async () => {
    const stage = await newStage();
    await switchOn(stage.desk, 'CLOSED', { mailboxId: stage.mailboxId });
    const customer = await newCustomer(app.emulator);
    const ticket = await open(stage, { from: customer.address });
    await update(stage.desk, ticket.id, { status: 'CLOSED' });
    const closed = await customer.gets('the notification', ({ subject }) => subject?.includes('[#') ?? false);
    expect(closed.body?.content).toContain(`closed your request ${ticket.number}`);
    expect(headerOf(closed, 'In-Reply-To') ?? headerOf(closed, 'References')).toContain(
      ticket.internetMessageId,
    );
    const robot = await open(stage, { from: address(), headers: { 'Auto-Submitted': 'auto-generated' } });
    await update(stage.desk, robot.id, { status: 'CLOSED' });
    expect(await decided(stage.desk, robot.id, 'CLOSED')).toMatchObject([{ reason: 'AUTOMATIC' }]);
    const again = await open(stage, { from: address(), subject: 'Open again before it was told' });
    const now = new Date();
    await stage.fork().transactional((em) =>
      notify(
        em,
        {
          organizationId: stage.desk.organizationId,
          kind: 'CLOSED',
          ticketId: rowId(again.id),
          messageId: null,
          position: 2n ** 60n,
          recordedAt: now,
        },
        now,
      ),
    );
    expect(await decided(stage.desk, again.id, 'CLOSED')).toMatchObject([{ reason: 'OUTDATED' }]);
  });
});
