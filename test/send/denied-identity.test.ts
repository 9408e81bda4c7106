import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccessDesk, startAccessDesk } from '../mailboxes/access-harness.ts';
import { identitiesOf, runSending } from '../mailboxes/sending-harness.ts';
import { arrivals } from '../outbound/outbox-desk.ts';
import { rowId } from '../security/filled-desk.ts';
import { sendTestEmail, waitForOutbound } from './send-desk.ts';

/*
 * A mailbox whose own address Microsoft refuses to be sent as, until an administrator has given the right: what the desk
 * says meanwhile, and what ends it.
 */

let stage: AccessDesk;
beforeAll(async () => {
  stage = await startAccessDesk();
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

/** A shared mailbox that its agent may open and not send as, after a mail that has shown it. */
async function deniedMailbox() {
  const agent = await stage.newMailbox();
  const shared = await stage.newMailbox({ kind: 'shared', fullAccess: [agent], sendAs: [] });
  const { accountId } = await stage.connect(agent, 'SENDING_SHARED');
  const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: shared });
  const mailboxId = mailbox?.id ?? '';
  await runSending(stage.app, stage.desk, 'updateOutgoingSettings', { mailboxId, enabled: true });
  const { outboundMessage } = await sendTestEmail(stage.desk, { mailboxId, to: recipient() });
  const failed = await waitForOutbound(stage.desk, outboundMessage?.id, ({ state }) => state === 'FAILED');
  return { agent, shared, accountId, mailboxId, failed };
}

const recipient = () => `customer-${crypto.randomUUID().slice(0, 8)}@fabrikam.example`;
const identityOf = async (mailboxId: string) => (await identitiesOf(stage.desk, mailboxId)).identities[0];
const problemOf = async (id: string) =>
  (
    await stage.desk.request<{ node: { problem: { code: string; remedy: string } } }>(
      'query ($id: ID!) { node(id: $id) { ... on OutboundMessage { problem { code remedy } } } }',
      { id },
    )
  ).node.problem;
const verify = (input: Record<string, unknown>) => stage.run('verifyMailboxAccess', input);

test('a denied primary address names the right for just this pair, and heals by a SEND check that passes', async () => {
  const { agent, shared, accountId, mailboxId, failed } = await deniedMailbox();
  const command = `Add-RecipientPermission -Identity '${shared}' -Trustee '${agent}' -AccessRights SendAs`;
  expect(await problemOf(failed.id)).toMatchObject({
    code: 'SEND_AS_DENIED',
    remedy: expect.stringContaining(command),
  });
  const denied = await identityOf(mailboxId);
  expect(denied).toMatchObject({ kind: 'PRIMARY', status: 'DENIED', canSend: false });
  expect(denied?.problem).toMatchObject({
    code: 'IDENTITY_DENIED',
    message: `${agent} has not the right Send As for ${shared}.`,
    remedy: expect.stringContaining(command),
  });
  // What ends it is the check, and nothing that does not send.
  expect(denied?.problem?.remedy).toContain('verifyMailboxAccess');
  expect(denied?.problem?.remedy).not.toContain('addSendAsAddress');

  const testMessageTo = recipient();
  const refused = await verify({ mailboxId, testMessageTo });
  expect(refused.checks?.find(({ name }) => name === 'SEND')).toMatchObject({
    result: 'FAILED',
    code: 'SEND_AS_DENIED',
  });
  await stage.exchange(`mailboxes/${shared}`, { sendAs: [agent] }, 'PATCH');
  await runSending(stage.app, stage.desk, 'refreshAccount', { accountId });
  await verify({ mailboxId });
  expect((await identityOf(mailboxId))?.status).toBe('DENIED');

  const passed = await verify({ mailboxId, testMessageTo });
  expect(passed.checks?.find(({ name }) => name === 'SEND')?.result).toBe('PASSED');
  expect(await identityOf(mailboxId)).toMatchObject({
    id: denied?.id,
    status: 'ACTIVE',
    canSend: true,
    problem: null,
  });
  await stage.desk.request(
    'mutation ($id: ID!) { retryOutboundMessage(input: { outboundMessageId: $id }) { __typename } }',
    { id: failed.id },
  );
  await waitForOutbound(stage.desk, failed.id, ({ state }) => state === 'SENT');
  const arrived = await arrivals(stage.app, rowId(failed.id));
  expect(arrived).toMatchObject([{ from: shared, count: 1 }]);
});

test('the check heals also by account and address, and that of another mailbox of the account heals nothing', async () => {
  const { agent, shared, accountId, mailboxId } = await deniedMailbox();
  await stage.exchange(`mailboxes/${shared}`, { sendAs: [agent] }, 'PATCH');
  await verify({ accountId, emailAddress: agent, testMessageTo: recipient() });
  expect((await identityOf(mailboxId))?.status).toBe('DENIED');
  await verify({ accountId, emailAddress: shared, testMessageTo: recipient() });
  expect((await identityOf(mailboxId))?.status).toBe('ACTIVE');
});

test('a removed mailbox that is added again with a test message that passes can be sent as', async () => {
  const { agent, shared, accountId, mailboxId } = await deniedMailbox();
  await stage.run('removeMailbox', { mailboxId });
  await stage.exchange(`mailboxes/${shared}`, { sendAs: [agent] }, 'PATCH');
  const { sending } = await stage.run('addSharedMailbox', {
    accountId,
    emailAddress: shared,
    testMessageTo: recipient(),
  });
  expect(sending?.result).toBe('PASSED');
  expect((await identityOf(mailboxId))?.status).toBe('ACTIVE');
});
