import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccessDesk, startAccessDesk } from '../mailboxes/access-harness.ts';
import { runSending } from '../mailboxes/sending-harness.ts';
import { type Customer, newCustomer } from './customer.ts';
import { sendTestEmail, waitForOutbound } from './send-desk.ts';

let stage: AccessDesk;
let customer: Customer;
beforeAll(async () => {
  stage = await startAccessDesk();
  customer = await newCustomer(stage.app.emulator);
});
afterAll(() => stage?.app[Symbol.asyncDispose]());

interface Shown {
  shownFrom: { name: string | null; emailAddress: string } | null;
  shownSender: { name: string | null; emailAddress: string } | null;
}

/** Sends a test message, and gives what its copy shows. */
async function shownBy(mailboxId: string): Promise<Shown> {
  const { outboundMessage } = await sendTestEmail(stage.desk, { mailboxId, to: customer.address });
  const id = outboundMessage?.id;
  await waitForOutbound(stage.desk, id, ({ shownFrom }) => shownFrom !== null);
  const { node } = await stage.desk.request<{ node: Shown }>(
    `query ($id: ID!) { node(id: $id) { ... on OutboundMessage {
       shownFrom { name emailAddress } shownSender { name emailAddress } } } }`,
    { id },
  );
  return node;
}

async function warningsOf(mailboxId: string, fromName: string | null = null) {
  const { node } = await stage.desk.request<{
    node: {
      identities: { appearance: { warnings: { kind: string; message: string; remedy: string }[] } }[];
    };
  }>(
    `query ($id: ID!, $fromName: String) { node(id: $id) { ... on Mailbox { identities {
       appearance(fromName: $fromName) { warnings { kind message remedy } } } } } }`,
    { id: mailboxId, fromName },
  );
  return node.identities[0]?.appearance.warnings ?? [];
}

test('with Send on Behalf the sent copy tells who is shown as the sender, and the identity warns of it until Send As is given', async () => {
  const agent = await stage.newMailbox({ displayName: 'Anna Agent' });
  const shared = await stage.newMailbox({ kind: 'shared', fullAccess: [agent], sendAs: [] });
  await stage.exchange(`mailboxes/${shared}`, { sendOnBehalf: [agent], displayName: 'Support' }, 'PATCH');
  const { accountId } = await stage.connect(agent, 'SENDING_SHARED');
  const { mailbox } = await stage.run('addSharedMailbox', { accountId, emailAddress: shared });
  const mailboxId = mailbox?.id ?? '';
  await runSending(stage.app, stage.desk, 'updateOutgoingSettings', { mailboxId, enabled: true });
  expect(await warningsOf(mailboxId)).toEqual([]);

  const shown = await shownBy(mailboxId);
  expect(shown).toMatchObject({
    shownFrom: { emailAddress: shared },
    shownSender: { name: 'Anna Agent', emailAddress: agent },
  });
  const received = await customer.gets(
    'the test message',
    ({ from }) => from?.emailAddress?.address === shared,
  );
  expect(received.sender?.emailAddress?.address).toBe(shown.shownSender?.emailAddress);
  const [warning] = await warningsOf(mailboxId);
  expect(warning).toMatchObject({
    kind: 'SENT_ON_BEHALF',
    message: expect.stringContaining(`Anna Agent on behalf of ${shown.shownFrom?.name}`),
    remedy: expect.stringContaining(
      `Add-RecipientPermission -Identity '${shared}' -Trustee '${agent}' -AccessRights SendAs`,
    ),
  });
  // Another name would change nothing of it.
  expect((await warningsOf(mailboxId, 'Another Name')).map(({ kind }) => kind)).toContain('SENT_ON_BEHALF');

  await stage.exchange(`mailboxes/${shared}`, { sendAs: [agent] }, 'PATCH');
  expect(await shownBy(mailboxId)).toMatchObject({
    shownFrom: { emailAddress: shared },
    shownSender: { emailAddress: shared },
  });
  expect((await warningsOf(mailboxId)).map(({ kind }) => kind)).not.toContain('SENT_ON_BEHALF');
});
