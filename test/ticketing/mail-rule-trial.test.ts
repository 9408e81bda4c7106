import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { deliver, type TestMail } from '../support/mail.ts';
import { makeRule } from './mail-rule-desk.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Trial {
  outcome: string;
  actualOutcome: string | null;
  actualReason: string | null;
}

async function open(settings: Record<string, unknown> = {}) {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId, settings);
  const receive = async (mail: Omit<TestMail, 'to'> & { headers?: Record<string, string> }) => {
    const { internetMessageId } = await deliver(app.emulator.url, { to: address, ...mail });
    await desk.sync(mailboxId);
    const { inboundMessages } = await desk.request<{
      inboundMessages: { edges: { node: { id: string } }[] };
    }>('{ inboundMessages(first: 1) { edges { node { id } } } }');
    return { id: inboundMessages.edges[0]?.node.id ?? '', internetMessageId };
  };
  const tryRules = async (input: Record<string, unknown>) =>
    (
      await desk.request<{ testMailRule: Trial }>(
        `query ($input: TestMailRuleInput!) { testMailRule(input: $input) { outcome actualOutcome actualReason } }`,
        { input },
      )
    ).testMailRule;
  return { desk, mailboxId, receive, tryRules };
}

test('beside what rules say stands what became of the message: they are not asked about copies, machines and replies', async () => {
  const { desk, receive, tryRules } = await open();
  const first = await receive({ subject: 'Hello' });
  const says = async (id: string) => tryRules({ inboundMessageId: id });
  expect(await says(first.id)).toEqual({
    outcome: 'TICKET_CREATED',
    actualOutcome: 'TICKET_CREATED',
    actualReason: 'NEW_CONVERSATION',
  });
  const copy = await receive({ subject: 'Hello', messageId: first.internetMessageId });
  expect(await says(copy.id)).toEqual({
    outcome: 'TICKET_CREATED',
    actualOutcome: 'IGNORED',
    actualReason: 'DUPLICATE',
  });
  const robot = await receive({ subject: 'Away', headers: { 'Auto-Submitted': 'auto-replied' } });
  expect(await says(robot.id)).toMatchObject({ actualOutcome: 'IGNORED', actualReason: 'AUTO_REPLY' });
  const reply = await receive({ subject: 'Re: Hello', inReplyTo: first.internetMessageId });
  expect(await says(reply.id)).toMatchObject({ actualOutcome: 'REPLY_ADDED', actualReason: 'REFERENCES' });
  await makeRule(desk, 'No words', { actions: { ignore: true } });
  const ruled = await receive({ subject: 'A word' });
  expect(await says(ruled.id)).toEqual({
    outcome: 'IGNORED',
    actualOutcome: 'IGNORED',
    actualReason: 'MAIL_RULE',
  });
  expect(await tryRules({ sample: { subject: 'A word' } })).toEqual({
    outcome: 'IGNORED',
    actualOutcome: null,
    actualReason: null,
  });
});

test('a mailbox that opens no tickets says so', async () => {
  const { receive, tryRules } = await open({ createTickets: false });
  const { id } = await receive({ subject: 'Hello' });
  expect(await tryRules({ inboundMessageId: id })).toEqual({
    outcome: 'TICKET_CREATED',
    actualOutcome: 'IGNORED',
    actualReason: 'TICKETS_OFF',
  });
});
