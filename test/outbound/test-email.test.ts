import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { signIn } from '../access/harness.ts';
import { identitiesOf, runSending } from '../mailboxes/sending-harness.ts';
import { waitForOutbound } from '../send/send-desk.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface TestMailAnswer {
  outboundMessage?: { id: string };
  code?: string;
  message?: string;
  remedy?: string;
}

async function sendTest(apiKey: string, input: Record<string, unknown>): Promise<TestMailAnswer> {
  const { sendTestEmail } = await graphqlRequest<{ sendTestEmail: TestMailAnswer }>(
    app.url,
    apiKey,
    `mutation ($input: SendTestEmailInput!) { sendTestEmail(input: $input) {
       ... on SendTestEmailPayload { outboundMessage { id } } ... on Error { code message remedy } } }`,
    { input: { to: `customer-${crypto.randomUUID().slice(0, 8)}@fabrikam.example`, ...input } },
  );
  return sendTestEmail;
}

/** A desk with a mailbox of the team, and the own mailbox of an agent. */
async function deskWithAgent() {
  const desk = await app.newDesk();
  const team = await desk.connectMailbox(undefined, { sends: true });
  const own = await desk.connectMailbox(undefined, { sends: true });
  const agent = await signIn(app.database, desk.organizationId, 'AGENT');
  await runSending(app, desk, 'updateOutgoingPolicy', { allowsPersonalSenders: true });
  await runSending(app, desk, 'updateOutgoingSettings', {
    mailboxId: own.mailboxId,
    personalUserId: encodeGlobalId('User', agent.user.id),
  });
  return { desk, team, own, agent };
}

const identityIdOf = async (desk: Desk, mailboxId: string) =>
  (await identitiesOf(desk, mailboxId)).identities[0]?.id ?? '';

test('an agent sends a test message from their own mailbox, named or by an identity, and sees what it showed', async () => {
  const { desk, own, agent } = await deskWithAgent();
  const answers = [
    await sendTest(agent.secret, { mailboxId: own.mailboxId }),
    await sendTest(agent.secret, { identityId: await identityIdOf(desk, own.mailboxId) }),
  ];
  for (const { outboundMessage, code } of answers) {
    expect(code).toBeUndefined();
    const seenByAgent = {
      ...desk,
      request: <Data>(query: string, variables?: Record<string, unknown>) =>
        graphqlRequest<Data>(app.url, agent.secret, query, variables),
    };
    const sent = await waitForOutbound(
      seenByAgent,
      outboundMessage?.id,
      ({ shownFrom }) => shownFrom !== null,
    );
    expect(sent).toMatchObject({ state: 'SENT', shownFrom: { emailAddress: own.address } });
  }
});

test('an agent sends none from a mailbox of the team, nor from a colleague’s own', async () => {
  const { desk, team, own, agent } = await deskWithAgent();
  const colleague = await signIn(app.database, desk.organizationId, 'AGENT');
  const tried: [string, Record<string, unknown>][] = [
    [agent.secret, { mailboxId: team.mailboxId }],
    [agent.secret, { identityId: await identityIdOf(desk, team.mailboxId) }],
    [colleague.secret, { mailboxId: own.mailboxId }],
    [colleague.secret, { identityId: await identityIdOf(desk, own.mailboxId) }],
    [agent.secret, { mailboxId: encodeGlobalId('Mailbox', crypto.randomUUID()) }],
    [agent.secret, {}],
  ];
  for (const [secret, input] of tried)
    await expect(sendTest(secret, input)).rejects.toThrow('mailbox:manage');
});

test('an administrator who tests somebody’s own mailbox is told who can', async () => {
  const { desk, own, agent } = await deskWithAgent();
  const inputs = [{ mailboxId: own.mailboxId }, { identityId: await identityIdOf(desk, own.mailboxId) }];
  for (const input of inputs) {
    const answer = await sendTest(desk.apiKey, input);
    expect(answer.code).toBe('IDENTITY_NOT_AVAILABLE');
    expect(answer.message).toContain(own.address);
    expect(answer.message).toContain(agent.user.name);
    expect(answer.remedy).toContain('sendTestEmail');
  }
});

test('a viewer may not', async () => {
  const { desk, team } = await deskWithAgent();
  const { secret } = await signIn(app.database, desk.organizationId, 'VIEWER');
  await expect(sendTest(secret, { mailboxId: team.mailboxId })).rejects.toThrow('ticket:reply');
});
