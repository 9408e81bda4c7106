import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signIn } from '../access/harness.ts';
import { addressesAreRead, identitiesOf, runSending } from '../mailboxes/sending-harness.ts';
import { reply } from '../outbound/reply-desk.ts';
import { control, type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { type Customer, headerOf, newCustomer } from './customer.ts';
import { askAt, replyAndReceive, sendTestEmail, subjectsIn, waitForOutbound } from './send-desk.ts';

/*
 * The rows of the table *Send* of the product, from outside: through the API, and in the mailboxes of the emulator.
 */

let app: TestApp;
let desk: Desk;
let mailbox: { mailboxId: string; address: string };
let customer: Customer;
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk('Send');
  await desk.withoutStormLimits();
  mailbox = await desk.connectMailbox(undefined, { sends: true });
  await addressesAreRead(app, mailbox.mailboxId);
  await desk.enable(mailbox.mailboxId);
  customer = await newCustomer(app.emulator);
  await exchangeShows({ directoryNameWins: false, sendFromAlias: true });
});
afterAll(() => app?.[Symbol.asyncDispose]());

const run = (name: Parameters<typeof runSending>[2], input: Record<string, unknown>) =>
  runSending(app, desk, name, input);

describe('notifications, replies and test messages through the mailbox, with its names, saved in Sent Items', () => {
  test('a reply comes from the primary address, with the from name of the mailbox, and lies in Sent Items', async () => {
    await run('updateOutgoingSettings', { mailboxId: mailbox.mailboxId, fromName: 'Contoso Help' });
    const { ticketId, subject } = await askAt(desk, mailbox.mailboxId, customer, mailbox.address);
    const { received, outboundId } = await replyAndReceive(app, desk, customer, {
      ticketId,
      text: 'Of course.',
    });
    expect(received.from?.emailAddress).toEqual({ name: 'Contoso Help', address: mailbox.address });
    expect(await waitForOutbound(desk, outboundId, ({ sentCopy }) => sentCopy !== 'PENDING')).toMatchObject({
      state: 'SENT',
      sentCopy: 'FOUND',
      internetMessageId: received.internetMessageId,
    });
    expect((await subjectsIn(app, mailbox.address, 'Sent Items')).some((one) => one.includes(subject))).toBe(
      true,
    );
    await run('updateOutgoingSettings', { mailboxId: mailbox.mailboxId, fromName: null });
  });

  test('a reply to what was written to an alias comes from the alias', async () => {
    const alias = `billing-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    await withAlias(alias);
    const { ticketId } = await askAt(desk, mailbox.mailboxId, customer, alias);
    const { received } = await replyAndReceive(app, desk, customer, { ticketId, text: 'From the alias.' });
    expect(received.from?.emailAddress?.address).toBe(alias);
  });

  test('a test message tells the sender that recipients really see, by its copy', async () => {
    await exchangeShows({ directoryNameWins: true, sendFromAlias: true });
    await run('updateOutgoingSettings', { mailboxId: mailbox.mailboxId, fromName: 'Wanted Name' });
    const { outboundMessage } = await sendTestEmail(desk, {
      mailboxId: mailbox.mailboxId,
      to: customer.address,
    });
    const sent = await waitForOutbound(desk, outboundMessage?.id, ({ shownFrom }) => shownFrom !== null);
    expect(sent).toMatchObject({
      state: 'SENT',
      from: { name: 'Wanted Name', emailAddress: mailbox.address },
      shownFrom: { emailAddress: mailbox.address },
    });
    const received = await customer.gets('the test message arrives', ({ subject }) =>
      (subject ?? '').startsWith('Test message'),
    );
    expect(sent.shownFrom?.name).not.toBe('Wanted Name');
    expect(received.from?.emailAddress).toEqual({
      name: sent.shownFrom?.name,
      address: sent.shownFrom?.emailAddress,
    });
    await exchangeShows({ directoryNameWins: false, sendFromAlias: true });
    await run('updateOutgoingSettings', { mailboxId: mailbox.mailboxId, fromName: null });
  });

  test('a notification tells the customer that their mail came, once, as a machine’s, in their conversation', async () => {
    const own = await app.newDesk('Notifies');
    const { mailboxId, address } = await own.connectMailbox(undefined, { sends: true });
    await own.enable(mailboxId);
    const updated = await own.request<{ updateNotificationSettings: { message?: string } }>(
      `mutation ($id: ID!) { updateNotificationSettings(input: { mailboxId: $id, kind: RECEIVED, enabled: true }) {
         ... on Error { message } } }`,
      { id: mailboxId },
    );
    expect(updated.updateNotificationSettings.message).toBeUndefined();
    const asker = await newCustomer(app.emulator);
    const { subject } = await askAt(own, mailboxId, asker, address);
    const received = await asker.gets('the notification arrives', (mail) =>
      (mail.subject ?? '').includes(subject),
    );
    expect(received.from?.emailAddress?.address).toBe(address);
    expect(headerOf(received, 'X-Auto-Response-Suppress')).toBe('All');
    const [asked] = await asker.messages('sentitems');
    expect(received.conversationId).toBe(asked?.conversationId);
    expect(await asker.messages()).toHaveLength(1);
  });

  test('a test message names what it is sent from, and needs the right to manage mailboxes', async () => {
    expect((await sendTestEmail(desk, { to: customer.address })).code).toBe('INVALID_INPUT');
    expect((await sendTestEmail(desk, { mailboxId: mailbox.mailboxId, to: 'nobody' })).code).toBe(
      'INVALID_INPUT',
    );
    const agent = await signIn(app.database, desk.organizationId, 'AGENT');
    const attempt = graphqlRequest(
      app.url,
      agent.secret,
      `mutation ($id: ID!) { sendTestEmail(input: { mailboxId: $id, to: "a@fabrikam.example" }) { __typename } }`,
      { id: mailbox.mailboxId },
    );
    await expect(attempt).rejects.toThrow(/permission/i);
  });
});

describe('identities: discovered, added, with a profile each; what cannot send says so', () => {
  test('primary and aliases are found by themselves', async () => {
    const alias = `found-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    await withAlias(alias);
    const { identities } = await identitiesOf(desk, mailbox.mailboxId);
    expect(identities.find(({ emailAddress }) => emailAddress === mailbox.address)).toMatchObject({
      kind: 'PRIMARY',
      status: 'ACTIVE',
      canSend: true,
    });
    expect(identities.find(({ emailAddress }) => emailAddress === alias)).toMatchObject({
      kind: 'ALIAS',
      status: 'ACTIVE',
    });
  });

  test('a Send As address is UNVERIFIED until its first mail is sent, and ACTIVE then', async () => {
    const list = await sendAsAddress([mailbox.address]);
    const { identity } = await run('addSendAsAddress', { mailboxId: mailbox.mailboxId, emailAddress: list });
    expect(identity.status).toBe('UNVERIFIED');
    const { ticketId } = await askAt(desk, mailbox.mailboxId, customer, mailbox.address);
    const { received } = await replyAndReceive(app, desk, customer, {
      ticketId,
      text: 'As the list.',
      identityId: identity.id,
    });
    expect(received.from?.emailAddress?.address).toBe(list);
    await eventually('it is ACTIVE', async () => {
      const { identities } = await identitiesOf(desk, mailbox.mailboxId);
      return identities.find(({ id }) => id === identity.id)?.status === 'ACTIVE';
    });
  });

  test('one without a sender profile does not send, and a reply says so before it is written', async () => {
    const list = await sendAsAddress([mailbox.address]);
    const { identity } = await run('addSendAsAddress', { mailboxId: mailbox.mailboxId, emailAddress: list });
    await run('assignSenderProfile', { identityId: identity.id, senderProfileId: null });
    const { ticketId } = await askAt(desk, mailbox.mailboxId, customer, mailbox.address);
    const input = { ticketId, text: 'x', identityId: identity.id };
    expect((await reply(app.url, desk.apiKey, input)).code).toBe('IDENTITY_WITHOUT_PROFILE');
  });

  test('a sender profile gives its name, reply address and signature', async () => {
    const { senderProfile } = await run('createSenderProfile', {
      name: `Sales ${crypto.randomUUID().slice(0, 8)}`,
      fromName: 'Contoso Sales',
      replyTo: 'sales-answers@contoso.example',
      signatureHtml: '<p>Your <b>sales team</b></p>',
    });
    const alias = `sales-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
    const identity = await withAlias(alias);
    await run('assignSenderProfile', { identityId: identity.id, senderProfileId: senderProfile.id });
    const { ticketId } = await askAt(desk, mailbox.mailboxId, customer, alias);
    const { received } = await replyAndReceive(app, desk, customer, { ticketId, text: 'An offer.' });
    expect(received.from?.emailAddress).toEqual({ name: 'Contoso Sales', address: alias });
    expect(received.replyTo?.map(({ emailAddress }) => emailAddress?.address)).toEqual([
      'sales-answers@contoso.example',
    ]);
    expect(received.body?.content).toContain('Your <b>sales team</b>');
  });
});

test('incoming and outgoing are switched on separately', async () => {
  const own = await app.newDesk('Only in');
  const { mailboxId, address } = await own.connectMailbox(undefined, { sends: true });
  await own.enable(mailboxId);
  const { ticketId } = await askAt(own, mailboxId, customer, address);
  await runSending(app, own, 'updateOutgoingSettings', { mailboxId, enabled: false });
  expect((await reply(app.url, own.apiKey, { ticketId, text: 'x' })).code).toBe('OUTGOING_DISABLED');
  await runSending(app, own, 'updateOutgoingSettings', { mailboxId, enabled: true });
  await own.request(
    `mutation ($id: ID!) { updateIncomingSettings(input: { mailboxId: $id, enabled: false, intervalMinutes: MINUTES_60 }) {
       ... on Error { message } } }`,
    { id: mailboxId },
  );
  const { received } = await replyAndReceive(app, own, customer, { ticketId, text: 'Only outgoing.' });
  expect(received.from?.emailAddress?.address).toBe(address);
});

describe('replies thread, limits are respected and queued, and each is sent once', () => {
  test('a reply answers the customer’s mail in their conversation, with the token of the ticket', async () => {
    const { ticketId, subject } = await askAt(desk, mailbox.mailboxId, customer, mailbox.address);
    const { received } = await replyAndReceive(app, desk, customer, { ticketId, text: 'In the thread.' });
    const asked = (await customer.messages('sentitems')).find((mail) => mail.subject === subject);
    expect(received.conversationId).toBe(asked?.conversationId);
    expect(headerOf(received, 'In-Reply-To')).toBe(asked?.internetMessageId);
    expect(headerOf(received, 'References')).toContain(asked?.internetMessageId ?? '-');
    expect(received.subject).toMatch(new RegExp(`^Re: ${subject} \\[#\\d+\\]$`));
  });

  test('a double click is one mail at the customer', async () => {
    const { ticketId } = await askAt(desk, mailbox.mailboxId, customer, mailbox.address);
    const input = { ticketId, text: 'Once and for all.', idempotencyKey: crypto.randomUUID() };
    const all = await Promise.all([1, 2, 3].map(() => reply(app.url, desk.apiKey, input)));
    const [first] = all;
    await waitForOutbound(desk, first?.outboundMessage?.id, ({ state }) => state === 'SENT');
    await customer.gets('it arrives', ({ body }) => (body?.content ?? '').includes(input.text));
    const arrived = (await customer.messages()).filter(({ body }) =>
      (body?.content ?? '').includes(input.text),
    );
    expect(arrived).toHaveLength(1);
  });
});

test('how much of the limits is used is shown, with the warning that Microsoft blocks accounts that send too much', async () => {
  expect(await outgoingOf(await app.newDesk('Sends nothing'))).toMatchObject({
    sentLastMinute: 0,
    sentToday: 0,
    limit: 10_000,
    limitPerMinute: 30,
    warnings: [],
  });
  // Four of five are 80 %, as 24 of 30 would be.
  const limits = { messagesPerMinute: 5 };
  await using small = await startTestApp({}, { overrides: { outbox: { limits } } });
  const busy = await small.newDesk('Sends much');
  const { mailboxId } = await busy.connectMailbox(undefined, { sends: true });
  for (const to of ['a', 'b', 'c', 'd'].map((name) => `${name}@fabrikam.example`)) {
    const { outboundMessage } = await sendTestEmail(busy, { mailboxId, to });
    await waitForOutbound(busy, outboundMessage?.id, ({ state }) => state === 'SENT');
  }
  const used = await outgoingOf(busy, mailboxId);
  expect(used).toMatchObject({ sentLastMinute: 4, sentToday: 4, limit: 10_000, limitPerMinute: 5 });
  expect(used.warnings.map(({ code }) => code)).toEqual(['SENDING_LIMIT_NEAR']);
  expect(used.warnings[0]?.message).toMatch(/Microsoft blocks accounts/);
  expect(used.warnings[0]?.remedy).toMatch(/several mailboxes/);
});

interface OutgoingView {
  sentLastMinute: number;
  sentToday: number;
  limit: number;
  limitPerMinute: number;
  warnings: { code: string; message: string; remedy: string }[];
}

/** What is used of the limits of a mailbox; of a new one when none is given. */
async function outgoingOf(own: Desk, mailboxId?: string): Promise<OutgoingView> {
  const id = mailboxId ?? (await own.connectMailbox(undefined, { sends: true })).mailboxId;
  const { node } = await own.request<{ node: { outgoing: OutgoingView } }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox { outgoing {
       sentLastMinute sentToday limit limitPerMinute warnings { code message remedy } } } } }`,
    { id },
  );
  return node.outgoing;
}

/** Sets what Exchange makes of the sender: by its defaults, the directory's name and the primary address. */
async function exchangeShows(rules: { directoryNameWins: boolean; sendFromAlias: boolean }): Promise<void> {
  await control(app.emulator.url, `mailboxes/${mailbox.address}/sending`, rules, 'PUT');
}

/** Gives the mailbox an alias, and waits until it is an identity. */
async function withAlias(alias: string) {
  const { identities } = await identitiesOf(desk, mailbox.mailboxId);
  const others = identities.filter(({ kind }) => kind === 'ALIAS').map(({ emailAddress }) => emailAddress);
  const proxyAddresses = [`SMTP:${mailbox.address}`, ...[...others, alias].map((one) => `smtp:${one}`)];
  await control(app.emulator.url, `mailboxes/${mailbox.address}`, { proxyAddresses }, 'PATCH');
  const { node } = await desk.request<{ node: { account: { id: string } } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { account { id } } } }',
    { id: mailbox.mailboxId },
  );
  await run('refreshAccount', { accountId: node.account.id });
  return eventually('the alias is an identity', async () => {
    const found = (await identitiesOf(desk, mailbox.mailboxId)).identities;
    return found.find(({ emailAddress }) => emailAddress === alias) ?? false;
  });
}

/** A mailbox that these may send as. */
async function sendAsAddress(sendAs: string[]): Promise<string> {
  const address = `list-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
  await control(app.emulator.url, 'mailboxes', { address, kind: 'shared', sendAs });
  return address;
}
