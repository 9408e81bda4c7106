import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { notify } from '../../src/outbound/notify.ts';
import { DAY } from '../../src/platform/clock.ts';
import { forkFor } from '../../src/platform/database.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { signIn } from '../access/harness.ts';
import { rowId } from '../security/filled-desk.ts';
import { type Customer, headerOf, newCustomer } from '../send/customer.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { openTicket, reply } from './reply-desk.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Decision {
  kind: string;
  outcome: string;
  reason: string | null;
  recipient: string | null;
  explanation: string;
  outboundMessage: { id: string; state: string } | null;
}

interface Stage {
  desk: Desk;
  mailboxId: string;
  address: string;
  fork(): ReturnType<typeof forkFor>;
}

/** A desk whose mailbox takes mail in and may send. */
async function newStage(): Promise<Stage> {
  const desk = await app.newDesk('Contoso');
  const mailbox = await desk.connectMailbox(undefined, { sends: true });
  await desk.enable(mailbox.mailboxId);
  return { desk, ...mailbox, fork: () => forkFor(app.database, desk.organizationId) };
}

async function mutate<Payload = Record<string, unknown>>(
  desk: Pick<Desk, 'request'>,
  name: string,
  input: object,
  fields: string,
): Promise<Payload & { code?: string }> {
  const type = name.charAt(0).toUpperCase() + name.slice(1);
  const answer = await desk.request<Record<string, Payload & { code?: string }>>(
    `mutation ($input: ${type}Input!) { ${name}(input: $input) {
       ... on ${type}Payload { ${fields} } ... on Error { code message } } }`,
    { input },
  );
  return answer[name] as Payload & { code?: string };
}

const SWITCHES = 'notifications { kind enabled inherited }';
const switchOn = (desk: Desk, kind: string, owner: object, value: object = { enabled: true }) =>
  mutate(desk, 'updateNotificationSettings', { kind, ...owner, ...value }, SWITCHES);

async function decisions(desk: Desk, ticketId: string): Promise<Decision[]> {
  const { notifications } = await desk.request<{ notifications: { edges: { node: Decision }[] } }>(
    `query ($id: ID!) { notifications(ticketId: $id, first: 50) { edges { node {
       kind outcome reason recipient explanation outboundMessage { id state } } } } }`,
    { id: ticketId },
  );
  return notifications.edges.map(({ node }) => node);
}

const decided = (desk: Desk, ticketId: string, kind: string, count = 1) =>
  eventually(`${kind} is decided`, async () => {
    const found = (await decisions(desk, ticketId)).filter((one) => one.kind === kind);
    return found.length >= count && found;
  });

const open = ({ desk, mailboxId, address }: Stage, mail: object = {}) =>
  openTicket(app, desk, mailboxId, { to: address, subject: 'Printer on fire', ...mail });
const update = (desk: Pick<Desk, 'request'>, ticketId: string, change: object) =>
  mutate(desk, 'updateTicket', { ticketId, ...change }, 'ticket { id }');
const address = () => `c-${crypto.randomUUID().slice(0, 8)}@fabrikam.example`;

async function newAgent(stage: Stage): Promise<{ id: string; emailAddress: string; customer: Customer }> {
  const customer = await newCustomer(app.emulator, { displayName: 'Alex Agent' });
  const { user } = await mutate<{ user: { id: string } }>(
    stage.desk,
    'createUser',
    { name: 'Alex Agent', emailAddress: customer.address, role: 'AGENT' },
    'user { id }',
  );
  return { id: user.id, emailAddress: customer.address, customer };
}

/** Waits until everything that has happened was handled: a closing of another ticket is told of last. */
async function settled(stage: Stage): Promise<void> {
  const ticket = await mutate<{ ticket: { id: string } }>(
    stage.desk,
    'createTicket',
    { subject: 'Marker', text: 'x', requesterEmail: 'no-reply@marker.example' },
    'ticket { id }',
  );
  const group = await mutate<{ group: { id: string } }>(
    stage.desk,
    'createGroup',
    { name: crypto.randomUUID() },
    'group { id }',
  );
  await switchOn(stage.desk, 'CLOSED', { groupId: group.group.id });
  await update(stage.desk, ticket.ticket.id, { groupId: group.group.id });
  await update(stage.desk, ticket.ticket.id, { status: 'CLOSED' });
  await decided(stage.desk, ticket.ticket.id, 'CLOSED');
}

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

  test('goes to no machine, to no address that nobody reads, and to none of our own', async () => {
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
  });
});

describe('mail that came back', () => {
  test('makes the mail BOUNCED, says why in words, and tells of the ticket', async () => {
    const stage = await newStage();
    const nobody = `nobody-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    const ticket = await open(stage, { from: nobody });
    const replied = await reply(app.url, stage.desk.apiKey, { ticketId: ticket.id, text: 'Are you there?' });
    const state = await eventually('the mail bounces', async () => {
      await stage.desk.sync(stage.mailboxId);
      const { node } = await stage.desk.request<{
        node: { delivery: { state: string }; bounce: { reason: string; recipient: string } | null };
      }>(
        `query ($id: ID!) { node(id: $id) { ... on Message { delivery { state } bounce { reason recipient } } } }`,
        { id: (replied.message as { id: string }).id },
      );
      return node.delivery.state === 'BOUNCED' && node;
    });
    expect(state.bounce).toMatchObject({ recipient: nobody, reason: expect.stringMatching(/\w+ \w+/) });
  });

  test('may be a test, or a notification to a colleague: those are BOUNCED as well', async () => {
    const stage = await newStage();
    const nobody = `nobody-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    const states = () =>
      stage
        .fork()
        .execute<{ kind: string; state: string }[]>(
          `select kind, state from outbound_message where organization_id = ? order by position`,
          [stage.desk.organizationId],
        );
    await mutate(
      stage.desk,
      'sendTestEmail',
      { mailboxId: stage.mailboxId, to: nobody },
      'outboundMessage { id }',
    );
    const { user } = await mutate<{ user: { id: string } }>(
      stage.desk,
      'createUser',
      { name: 'Gone Agent', emailAddress: nobody, role: 'AGENT' },
      'user { id }',
    );
    await switchOn(stage.desk, 'ASSIGNED', { mailboxId: stage.mailboxId });
    const ticket = await open(stage, { from: address() });
    await update(stage.desk, ticket.id, { assigneeId: user.id });
    await eventually('both bounce', async () => {
      await stage.desk.sync(stage.mailboxId);
      const found = await states();
      return found.length === 2 && found.every(({ state }) => state === 'BOUNCED');
    });
  });

  test('is found by a blind copy, by who the mail was passed on to, and not by mail that only quotes it', async () => {
    const stage = await newStage();
    const from = (await newCustomer(app.emulator)).address;
    const hidden = `hidden-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    const ticket = await open(stage, { from });
    const first = await reply(app.url, stage.desk.apiKey, {
      ticketId: ticket.id,
      text: 'With a blind copy',
      bcc: [{ emailAddress: hidden }],
    });
    const second = await reply(app.url, stage.desk.apiKey, { ticketId: ticket.id, text: 'Passed on' });
    const bounceOf = async (id: string | undefined) =>
      (await stage.fork().findOneOrFail(Message, { id: rowId(id ?? '') })).bounce ?? null;
    await eventually('the first bounces', async () => {
      await stage.desk.sync(stage.mailboxId);
      return (await bounceOf(first.message?.id)) !== null;
    });
    expect(await bounceOf(first.message?.id)).toMatchObject({ recipient: hidden });
    const sent = await eventually('the second is sent', async () => {
      const found = await stage.fork().findOneOrFail(Message, { id: rowId(second.message?.id ?? '') });
      return found.sentAt != null && found;
    });
    const report = (inReplyTo: string) =>
      deliver(app.emulator.url, {
        to: stage.address,
        from: 'mailer-daemon@elsewhere.example',
        subject: 'Undelivered Mail Returned to Sender',
        text: '<private@elsewhere.example>: 550 5.1.1 no such user',
        inReplyTo,
        ...{
          headers: {
            'Content-Type': 'multipart/report; report-type=delivery-status; boundary="x"',
            'X-Failed-Recipients': 'private@elsewhere.example',
          },
          references: sent.internetMessageId ?? '',
        },
      });
    await report('<another@mail.example>');
    await stage.desk.sync(stage.mailboxId);
    expect(await bounceOf(second.message?.id)).toBeNull();
    await report(sent.internetMessageId ?? '');
    await stage.desk.sync(stage.mailboxId);
    expect(await bounceOf(second.message?.id)).toMatchObject({ recipient: 'private@elsewhere.example' });
  });
});

describe('mail of our own', () => {
  test('that lies in the watched folder without its header, as in Sent Items, is no message once more', async () => {
    const stage = await newStage();
    const ticket = await open(stage, { from: (await newCustomer(app.emulator)).address });
    const replied = await reply(app.url, stage.desk.apiKey, { ticketId: ticket.id, text: 'Have you tried?' });
    const sent = await eventually('the reply is sent', async () => {
      const found = await stage.fork().findOneOrFail(Message, { id: rowId(replied.message?.id ?? '') });
      return found.sentAt != null && found;
    });
    const before = await stage.fork().count(Message, { ticket: rowId(ticket.id) });
    await deliver(app.emulator.url, {
      to: stage.address,
      from: stage.address,
      subject: sent.subject,
      text: 'Have you tried?',
      messageId: sent.internetMessageId ?? '',
    });
    const inbound = await eventually('the copy is seen', async () => {
      await stage.desk.sync(stage.mailboxId);
      const [row] = await stage
        .fork()
        .execute<{ outcome: string; reason: string }[]>(
          'select outcome, reason from inbound_message where organization_id = ? and internet_message_id = ?',
          [stage.desk.organizationId, sent.internetMessageId],
        );
      return row ?? false;
    });
    expect(inbound).toEqual({ outcome: 'IGNORED', reason: 'OWN_MAIL' });
    expect(await stage.fork().count(Message, { ticket: rowId(ticket.id) })).toBe(before);
  });
});
