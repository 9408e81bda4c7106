import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rowId } from '../security/filled-desk.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { deliver, type TestMail } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  decided,
  decisions,
  newAgent,
  open,
  openStage,
  settled,
  switchOn,
  update,
} from './notification-stage.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

/** A desk with a second mailbox, whose person has asked the first for help, and with an agent who works on that. */
async function openTwo() {
  const stage = await openStage(app);
  const colleague = await stage.desk.connectMailbox();
  await stage.desk.enable(colleague.mailboxId);
  const agent = await newAgent(stage);
  for (const kind of ['RECEIVED', 'REPLIED', 'CLOSED']) {
    await switchOn(stage.desk, kind, { mailboxId: stage.mailboxId });
  }
  const from = `Bea Colleague <${colleague.address}>`;
  const ticket = await open(stage, { from });
  await update(stage.desk, ticket.id, { assigneeId: agent.id });
  const answers = async (mail: Partial<TestMail>, to = stage) => {
    await deliver(app.emulator.url, { to: to.address, from, subject: 'Re: Printer on fire', ...mail });
    await stage.desk.sync(to.mailboxId);
  };
  const shown = async () => {
    const { ticket: found } = await stage.desk.request<{
      ticket: { status: string; messages: { edges: { node: { kind: string; automatic: string | null } }[] } };
    }>(
      'query ($id: ID!) { ticket(id: $id) { status messages(first: 50) { edges { node { kind automatic } } } } }',
      { id: ticket.id },
    );
    return { status: found.status, messages: found.messages.edges.map(({ node }) => node) };
  };
  const told = async () =>
    (await decisions(stage.desk, ticket.id)).map(
      ({ kind, outcome, reason, recipient }) => `${kind} ${outcome} ${reason ?? recipient}`,
    );
  return { stage, colleague, agent, ticket, answers, shown, told };
}

describe('a colleague who writes with their own connected mailbox', () => {
  test('opens their closed ticket, whoever works on it is told, and they themselves get nothing', async () => {
    const { stage, agent, ticket, answers, shown, told } = await openTwo();
    await update(stage.desk, ticket.id, { status: 'CLOSED' });
    await answers({ text: 'Still broken', inReplyTo: ticket.internetMessageId });
    expect(await shown()).toMatchObject({
      status: 'OPEN',
      messages: [{ automatic: 'OWN_MAIL' }, { automatic: 'OWN_MAIL' }],
    });
    await decided(stage.desk, ticket.id, 'REPLIED');
    await settled(stage);
    expect((await told()).sort()).toEqual([
      'CLOSED SKIPPED AUTOMATIC',
      'RECEIVED SKIPPED AUTOMATIC',
      `REPLIED QUEUED ${agent.emailAddress}`,
    ]);
  });

  test('who answers the notification of another starts no circle: nobody is told of that', async () => {
    const { stage, agent, ticket, answers, shown, told } = await openTwo();
    await answers({ text: 'Still broken', inReplyTo: ticket.internetMessageId });
    const notification = await agent.customer.gets('the notification', () => true);
    await answers({ text: 'Got it', inReplyTo: notification.internetMessageId ?? '' });
    await eventually('it is in the ticket', async () => (await shown()).messages.length === 3);
    expect((await shown()).messages.at(-1)).toEqual({ kind: 'INBOUND', automatic: 'AUTO_GENERATED' });
    await decided(stage.desk, ticket.id, 'REPLIED', 2);
    await settled(stage);
    expect((await told()).filter((line) => line.startsWith('REPLIED')).sort()).toEqual([
      `REPLIED QUEUED ${agent.emailAddress}`,
      'REPLIED SKIPPED AUTOMATIC',
    ]);
  });

  test('whose mailbox writes by itself is told of no more than the limit of an hour', async () => {
    const { stage, agent, ticket, answers, shown, told } = await openTwo();
    await stage.desk.request(
      'mutation { updateMailSettings(input: { stormLimitPerTicket: 3 }) { __typename } }',
    );
    for (let times = 0; times < 5; times += 1) {
      await answers({ text: `Robot ${times}`, inReplyTo: ticket.internetMessageId });
    }
    expect((await shown()).messages.map(({ automatic }) => automatic)).toEqual([
      ...Array.from({ length: 3 }, () => 'OWN_MAIL'),
      ...Array.from({ length: 3 }, () => 'STORM'),
    ]);
    await decided(stage.desk, ticket.id, 'REPLIED', 5);
    expect((await told()).filter((line) => line === `REPLIED QUEUED ${agent.emailAddress}`)).toHaveLength(2);
  });
});

test('two of our mailboxes that are told of each other’s tickets, and answer, come to an end', async () => {
  const { stage, colleague, agent, ticket, answers, told } = await openTwo();
  // The agent works with the second mailbox: what they are told arrives there, where mail becomes tickets.
  await stage
    .fork()
    .execute('update app_user set email_address = ? where organization_id = ? and id = ?', [
      colleague.address,
      stage.desk.organizationId,
      rowId(agent.id),
    ]);
  await stage
    .fork()
    .execute('update mailbox set personal_user_id = ? where organization_id = ? and id = ?', [
      rowId(agent.id),
      stage.desk.organizationId,
      rowId(colleague.mailboxId),
    ]);
  const other = await stage.desk.connectMailbox();
  await stage.desk.enable(other.mailboxId);
  await answers({
    from: `Third <${other.address}>`,
    text: 'Mine as well',
    inReplyTo: ticket.internetMessageId,
  });
  await decided(stage.desk, ticket.id, 'REPLIED');
  const notified = () =>
    stage
      .fork()
      .execute<{ internet_message_id: string | null }[]>(
        `select internet_message_id from outbound_message where organization_id = ? and state = 'SENT'`,
        [stage.desk.organizationId],
      );
  const [sent] = await eventually('it is sent', async () => {
    const found = await notified();
    return found.length === 1 && found;
  });
  // It comes back to a mailbox of ours, both mailboxes answer it by themselves, and none of them says that it is one.
  for (let round = 0; round < 3; round += 1) {
    await stage.desk.sync(colleague.mailboxId);
    for (const from of [colleague.address, other.address]) {
      await answers({ from, text: `Noted (${round})`, inReplyTo: sent?.internet_message_id ?? '' });
    }
  }
  await settled(stage);
  expect((await told()).filter((line) => line.startsWith('REPLIED QUEUED'))).toHaveLength(1);
  expect(await notified()).toHaveLength(1);
});
