import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Message } from '../../src/ticketing/message.entity.ts';
import { rowId } from '../security/filled-desk.ts';
import { newCustomer } from '../send/customer.ts';
import { startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { address, mutate, open, openStage, switchOn, update } from './notification-stage.ts';
import { reply } from './reply-desk.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const newStage = () => openStage(app);

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
