import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { deliver, deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const FIELDS = 'copyPolicy reopenWithinDays stormLimitPerSender stormLimitPerTicket';
const DEFAULTS = {
  copyPolicy: 'ONE_TICKET',
  reopenWithinDays: 14,
  stormLimitPerSender: 300,
  stormLimitPerTicket: 100,
};
const UPDATE = `mutation ($input: UpdateMailSettingsInput!) { updateMailSettings(input: $input) {
  ... on UpdateMailSettingsPayload { organization { mailSettings { ${FIELDS} } } }
  ... on Error { code message } } }`;

async function update(desk: Desk, input: Record<string, unknown>) {
  const { updateMailSettings } = await desk.request<{
    updateMailSettings: { organization?: { mailSettings: object }; code?: string; message?: string };
  }>(UPDATE, { input });
  return updateMailSettings.organization?.mailSettings ?? updateMailSettings;
}

async function read(desk: Desk): Promise<object> {
  const { organization } = await desk.request<{ organization: { mailSettings: object } }>(
    `{ organization { mailSettings { ${FIELDS} } } }`,
  );
  return organization.mailSettings;
}

interface TicketNode {
  id: string;
  number: number;
  status: string;
  copyOf: { number: number } | null;
  followUpOf: { number: number } | null;
  problem: { code: string; remedy: string } | null;
  messages: { edges: { node: { kind: string; text: string } }[] };
}

async function tickets(desk: Desk): Promise<TicketNode[]> {
  const { tickets: page } = await desk.request<{ tickets: { edges: { node: TicketNode }[] } }>(
    `{ tickets(first: 100, orderBy: { field: NUMBER, direction: ASC }) { edges { node { id number status
       copyOf { number } followUpOf { number } problem { code remedy }
       messages(first: 20) { edges { node { kind text } } } } } } }`,
  );
  return page.edges.map(({ node }) => node);
}

async function ledger(desk: Desk): Promise<{ outcome: string; reason: string; explanation: string }[]> {
  const { inboundMessages } = await desk.request<{
    inboundMessages: { edges: { node: { outcome: string; reason: string; explanation: string } }[] };
  }>('{ inboundMessages(first: 100) { edges { node { outcome reason explanation } } } }');
  return inboundMessages.edges.map(({ node }) => node).reverse();
}

/** A desk with mailboxes that take mail in. */
async function open(mailboxes = 1) {
  const desk = await app.newDesk();
  const connected = [];
  for (let index = 0; index < mailboxes; index += 1) {
    const mailbox = await desk.connectMailbox();
    await desk.enable(mailbox.mailboxId);
    connected.push(mailbox);
  }
  return { desk, mailboxes: connected };
}

describe('the settings', () => {
  test('protect from storms before anybody has changed anything, and keep what a change leaves out', async () => {
    const desk = await app.newDesk();
    expect(await read(desk)).toEqual(DEFAULTS);
    expect(await update(desk, { reopenWithinDays: 30 })).toEqual({ ...DEFAULTS, reopenWithinDays: 30 });
    const changed = {
      copyPolicy: 'LINKED',
      reopenWithinDays: 30,
      stormLimitPerSender: null,
      stormLimitPerTicket: 7,
    };
    const { reopenWithinDays: _same, ...rest } = changed;
    expect(await update(desk, rest)).toEqual(changed);
    expect(await update(desk, {})).toEqual(changed);
    expect(await update(desk, { copyPolicy: null, reopenWithinDays: null })).toEqual(changed);
    expect(await read(desk)).toEqual(changed);
  });

  test.each([
    { reopenWithinDays: -1 },
    { reopenWithinDays: 3_651 },
    { stormLimitPerSender: 0 },
    { stormLimitPerSender: 1_001 },
    { stormLimitPerTicket: 0 },
  ])('refuse %o, and then nothing changes', async (input) => {
    const desk = await app.newDesk();
    const [field] = Object.keys(input);
    expect(await update(desk, { copyPolicy: 'SEPARATE', ...input })).toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(field ?? ''),
    });
    expect(await read(desk)).toEqual(DEFAULTS);
  });

  test('belong to those who manage the organization, and to theirs alone', async () => {
    const [ours, theirs] = [await app.newDesk(), await app.newDesk()];
    for (const role of ['AGENT', 'VIEWER'] as const) {
      const { secret } = await signIn(app.database, ours.organizationId, role);
      const asked = graphqlRequest(app.url, secret, UPDATE, { input: { reopenWithinDays: 1 } });
      await expect(asked).rejects.toThrow();
    }
    expect(await read(ours)).toEqual(DEFAULTS);
    await update(ours, { reopenWithinDays: 1 });
    expect(await read(theirs)).toEqual(DEFAULTS);
  });
});

describe('one mail to two mailboxes', () => {
  test.each([
    ['ONE_TICKET', [[1, null]]],
    [
      'LINKED',
      [
        [1, null],
        [2, 1],
      ],
    ],
    [
      'SEPARATE',
      [
        [1, null],
        [2, null],
      ],
    ],
  ] as const)(
    'becomes by %s the tickets %j, and its answer one message in each',
    async (copyPolicy, expected) => {
      const { desk, mailboxes } = await open(2);
      await update(desk, { copyPolicy });
      const messageId = `<${crypto.randomUUID()}@fabrikam.example>`;
      const both = async (mail: { subject: string; messageId: string; inReplyTo?: string }) => {
        for (const { address, mailboxId } of mailboxes) {
          await deliver(app.emulator.url, { to: address, ...mail });
          await desk.sync(mailboxId);
        }
      };
      await both({ subject: 'Printer', messageId });
      await both({
        subject: 'Re: Printer',
        messageId: `<${crypto.randomUUID()}@fabrikam.example>`,
        inReplyTo: messageId,
      });
      const found = await tickets(desk);
      expect(found.map(({ number, copyOf }) => [number, copyOf?.number ?? null])).toEqual(expected);
      for (const { messages } of found) expect(messages.edges).toHaveLength(2);
      expect(await ledger(desk)).toHaveLength(4);
      if (copyPolicy === 'LINKED') {
        expect((await ledger(desk))[1]?.explanation).toMatch(/ticket #1 is linked/);
      }
    },
  );

  test('a reply of which only one mailbox has the original stays one message of its ticket', async () => {
    const { desk, mailboxes } = await open(2);
    await update(desk, { copyPolicy: 'LINKED' });
    const [first, second] = mailboxes;
    const messageId = `<${crypto.randomUUID()}@fabrikam.example>`;
    await deliver(app.emulator.url, { to: first?.address ?? '', subject: 'Printer', messageId });
    await desk.sync(first?.mailboxId ?? '');
    const reply = {
      subject: 'Re: Printer',
      messageId: `<${crypto.randomUUID()}@fabrikam.example>`,
      inReplyTo: messageId,
    };
    for (const mailbox of [first, second]) {
      await deliver(app.emulator.url, { to: mailbox?.address ?? '', ...reply });
      await desk.sync(mailbox?.mailboxId ?? '');
    }
    expect((await tickets(desk)).map(({ messages }) => messages.edges.length)).toEqual([2]);
    expect((await ledger(desk)).at(-1)).toMatchObject({ outcome: 'IGNORED', reason: 'DUPLICATE' });
  });
});

test('with no days of reopening, a reply to a closed ticket opens a linked one', async () => {
  const { desk, mailboxes } = await open();
  await update(desk, { reopenWithinDays: 0 });
  const [mailbox] = mailboxes;
  const messageId = `<${crypto.randomUUID()}@fabrikam.example>`;
  await deliver(app.emulator.url, { to: mailbox?.address ?? '', subject: 'Printer', messageId });
  await desk.sync(mailbox?.mailboxId ?? '');
  const [ticket] = await tickets(desk);
  await desk.request(
    'mutation ($id: ID!) { updateTicket(input: { ticketId: $id, status: CLOSED }) { __typename } }',
    { id: ticket?.id },
  );
  await deliver(app.emulator.url, {
    to: mailbox?.address ?? '',
    subject: 'Re: Printer',
    inReplyTo: messageId,
  });
  await desk.sync(mailbox?.mailboxId ?? '');
  expect(await tickets(desk)).toMatchObject([
    { number: 1, status: 'CLOSED', followUpOf: null },
    { number: 2, status: 'OPEN', followUpOf: { number: 1 } },
  ]);
  expect((await ledger(desk)).at(-1)?.explanation).toMatch(/#1 is closed, and replies open none again/);
});

test('a storm is one ticket with a problem that clients see until it is closed, and every mail is kept', async () => {
  const { desk, mailboxes } = await open();
  await update(desk, { stormLimitPerSender: 2 });
  const [mailbox] = mailboxes;
  const flood = Array.from({ length: 6 }, (_, index) => ({
    to: mailbox?.address ?? '',
    subject: `Alarm ${index}`,
  }));
  await deliverMany(app.emulator.url, flood);
  await desk.sync(mailbox?.mailboxId ?? '');
  const found = await tickets(desk);
  expect(found.map(({ problem }) => problem?.code ?? null)).toEqual([null, null, 'STORM']);
  expect(found[2]?.problem?.remedy).toMatch(/updateMailSettings/);
  const kinds = found[2]?.messages.edges.map(({ node }) => node.kind);
  expect(kinds?.toSorted()).toEqual(['INBOUND', 'INBOUND', 'INBOUND', 'INBOUND', 'NOTE']);
  expect(await ledger(desk)).toHaveLength(6);
  // Counted once the page is committed, and the commit is what ends the run.
  await eventually('they are counted', async () => {
    const metrics = await (await fetch(`${app.url}/metrics`)).text();
    return /^deskgraph_storm_messages_total [4-9]/m.test(metrics);
  });
  await desk.request(
    'mutation ($id: ID!) { updateTicket(input: { ticketId: $id, status: CLOSED }) { __typename } }',
    { id: found[2]?.id },
  );
  expect((await tickets(desk))[2]?.problem).toBeNull();
});

test('without limits a flood opens as many tickets as it has mails', async () => {
  const { desk, mailboxes } = await open();
  await update(desk, { stormLimitPerSender: 2 });
  await desk.withoutStormLimits();
  const [mailbox] = mailboxes;
  const mails = Array.from({ length: 5 }, (_, i) => ({ to: mailbox?.address ?? '', subject: `Alarm ${i}` }));
  await deliverMany(app.emulator.url, mails);
  await desk.sync(mailbox?.mailboxId ?? '');
  expect(await tickets(desk)).toHaveLength(5);
});
