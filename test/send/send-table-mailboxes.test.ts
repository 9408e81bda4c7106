import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { enqueue } from '../../src/jobs/define-job.ts';
import { checkSentCopyJob } from '../../src/outbound/deliver.jobs.ts';
import { forkFor } from '../../src/platform/database.ts';
import { signIn } from '../access/harness.ts';
import { type AccessDesk, startAccessDesk } from '../mailboxes/access-harness.ts';
import { runSending } from '../mailboxes/sending-harness.ts';
import { reply } from '../outbound/reply-desk.ts';
import { rowId } from '../security/filled-desk.ts';
import { type Customer, newCustomer } from './customer.ts';
import { askAt, replyAndReceive, subjectsIn, waitForOutbound } from './send-desk.ts';

/*
 * Rows of the table *Send* that take more than one mailbox.
 */

let stage: AccessDesk;
let customer: Customer;
beforeAll(async () => {
  stage = await startAccessDesk();
  customer = await newCustomer(stage.app.emulator);
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

/** The last look at the copy, which otherwise comes after minutes. */
async function lookForTheLastTime(mailboxId: string, outboundId: string): Promise<void> {
  const { organizationId } = stage.desk;
  const ids = { mailboxId: rowId(mailboxId), outboundMessageId: rowId(outboundId) };
  const look = { organizationId, ...ids, looked: 3 };
  await enqueue(forkFor(stage.app.database, organizationId), checkSentCopyJob, look);
}

const run = (name: Parameters<typeof runSending>[2], input: Record<string, unknown>) =>
  runSending(stage.app, stage.desk, name, input);

describe('a shared mailbox is added only after access is verified', () => {
  test('without the right in Exchange it is refused, and the error says which right is missing', async () => {
    const agent = await stage.newMailbox();
    const emailAddress = await stage.newMailbox({ kind: 'shared' });
    const { accountId } = await stage.connect(agent, 'SENDING_SHARED');
    const answer = await stage.run('addSharedMailbox', { accountId, emailAddress });
    expect(answer.mailbox).toBeUndefined();
    expect(`${answer.message} ${answer.remedy}`).toMatch(/full access/i);
  });

  test('with the rights a reply comes from the shared mailbox, and lies in its Sent Items', async () => {
    const agent = await stage.newMailbox();
    const shared = await stage.newMailbox({ kind: 'shared', fullAccess: [agent], sendAs: [agent] });
    const { accountId } = await stage.connect(agent, 'SENDING_SHARED');
    const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: shared });
    const mailboxId = mailbox?.id ?? '';
    await run('updateOutgoingSettings', { mailboxId, enabled: true });
    await stage.desk.enable(mailboxId);
    const { ticketId, subject } = await askAt(stage.desk, mailboxId, customer, shared);
    const { received, outboundId } = await replyAndReceive(stage.app, stage.desk, customer, {
      ticketId,
      text: 'From the shared mailbox.',
    });
    expect(received.from?.emailAddress?.address).toBe(shared);
    expect(received.sender?.emailAddress?.address).toBe(shared);
    await waitForOutbound(stage.desk, outboundId, ({ sentCopy }) => sentCopy === 'FOUND');
    expect((await subjectsIn(stage.app, shared, 'Sent Items')).some((one) => one.includes(subject))).toBe(
      true,
    );
  });

  test('a copy that Exchange files elsewhere, with the person who signed in, is said once, with the setting to change', async () => {
    const agent = await stage.newMailbox();
    const shared = await stage.newMailbox({ kind: 'shared', fullAccess: [agent], sendAs: [agent] });
    const { accountId } = await stage.connect(agent, 'SENDING_SHARED');
    const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: shared });
    const mailboxId = mailbox?.id ?? '';
    await run('updateOutgoingSettings', { mailboxId, enabled: true });
    await stage.desk.enable(mailboxId);
    await stage.exchange(`mailboxes/${shared}/sending`, { copyGoesToSender: true }, 'PUT');
    const { ticketId, subject } = await askAt(stage.desk, mailboxId, customer, shared);
    for (const text of ['Filed with the agent.', 'And so is this.']) {
      const { outboundId } = await replyAndReceive(stage.app, stage.desk, customer, { ticketId, text });
      await waitForOutbound(stage.desk, outboundId, ({ state }) => state === 'SENT');
      await lookForTheLastTime(mailboxId, outboundId);
      const sent = await waitForOutbound(stage.desk, outboundId, ({ sentCopy }) => sentCopy !== 'PENDING');
      // Microsoft has taken it: that it was sent is certain.
      expect(sent).toMatchObject({ state: 'SENT', sentCopy: 'MISSING', problem: null });
    }
    expect(
      (await subjectsIn(stage.app, agent, 'Sent Items')).filter((one) => one.includes(subject)),
    ).toHaveLength(2);
    const { node } = await stage.desk.request<{
      node: { outgoing: { warnings: { code: string; remedy: string }[] } };
    }>('query ($id: ID!) { node(id: $id) { ... on Mailbox { outgoing { warnings { code remedy } } } } }', {
      id: mailboxId,
    });
    expect(node.outgoing.warnings).toEqual([
      {
        code: 'SENT_COPY_MISSING',
        remedy: expect.stringContaining(`Set-Mailbox ${shared} -MessageCopyForSentAsEnabled $true`),
      },
    ]);
  });

  test('without Send As the reply fails with the right that is missing, and nothing arrives', async () => {
    const agent = await stage.newMailbox();
    const shared = await stage.newMailbox({ kind: 'shared', fullAccess: [agent], sendAs: [] });
    const { accountId } = await stage.connect(agent, 'SENDING_SHARED');
    const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: shared });
    const mailboxId = mailbox?.id ?? '';
    await run('updateOutgoingSettings', { mailboxId, enabled: true });
    await stage.desk.enable(mailboxId);
    const { ticketId } = await askAt(stage.desk, mailboxId, customer, shared);
    const text = 'This must not arrive.';
    const { outboundMessage } = await reply(stage.app.url, stage.desk.apiKey, { ticketId, text });
    const failed = await waitForOutbound(stage.desk, outboundMessage?.id, ({ state }) => state === 'FAILED');
    expect(failed.problem?.code).toBe('SEND_AS_DENIED');
    const arrived = (await customer.messages()).filter(({ body }) => (body?.content ?? '').includes(text));
    expect(arrived).toEqual([]);
    const again = await reply(stage.app.url, stage.desk.apiKey, { ticketId, text });
    expect(again.code).toBe('IDENTITY_DENIED');
  });
});

test('agents send from their own mailboxes only where the organization allows it, and only they', async () => {
  const team = await stage.desk.connectMailbox(undefined, { sends: true });
  await stage.desk.enable(team.mailboxId);
  const own = await stage.desk.connectMailbox(undefined, { sends: true });
  const { user, secret } = await signIn(stage.app.database, stage.desk.organizationId, 'AGENT');
  const personalUserId = encodeGlobalId('User', user.id);
  const refused = await run('updateOutgoingSettings', { mailboxId: own.mailboxId, personalUserId });
  expect(refused.code).toBe('PERSONAL_SENDER_NOT_ALLOWED');
  await run('updateOutgoingPolicy', { allowsPersonalSenders: true });
  await run('updateOutgoingSettings', { mailboxId: own.mailboxId, personalUserId });
  const { node } = await stage.desk.request<{ node: { identities: { id: string }[] } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { identities { id } } } }',
    { id: own.mailboxId },
  );
  const identityId = node.identities[0]?.id;
  const { ticketId } = await askAt(stage.desk, team.mailboxId, customer, team.address);
  const text = 'From my own mailbox.';
  expect((await reply(stage.app.url, stage.desk.apiKey, { ticketId, text, identityId })).code).toBe(
    'IDENTITY_NOT_AVAILABLE',
  );
  expect((await reply(stage.app.url, secret, { ticketId, text, identityId })).code).toBeUndefined();
  const received = await customer.gets('it arrives', ({ body }) => (body?.content ?? '').includes(text));
  expect(received.from?.emailAddress?.address).toBe(own.address);
  await run('updateOutgoingPolicy', { allowsPersonalSenders: false });
  expect((await reply(stage.app.url, secret, { ticketId, text, identityId })).code).toBe(
    'PERSONAL_SENDER_NOT_ALLOWED',
  );
});
