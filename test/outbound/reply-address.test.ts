import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OutboundMessage } from '../../src/outbound/outbound-message.entity.ts';
import {
  type AnsweredConversation,
  type IntakeFacts,
  replyAddressFor,
} from '../../src/outbound/reply-address.ts';
import { forkFor } from '../../src/platform/database.ts';
import { identitiesOf, runSending } from '../mailboxes/sending-harness.ts';
import { rowId } from '../security/filled-desk.ts';
import { newCustomer } from '../send/customer.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { mutate, switchOn } from './notification-stage.ts';
import { openTicket, reply } from './reply-desk.ts';

describe('where answers go', () => {
  const SUPPORT = {
    mailboxId: 'support',
    primaryAddress: 'support@x.example',
    addresses: ['support@x.example', 'help@x.example'],
  };
  const takesIn = (inboundChannel: IntakeFacts['inboundChannel'] = 'MICROSOFT_365'): IntakeFacts => ({
    inboundChannel,
    intake: [SUPPORT],
  });
  const sender = (emailAddress: string, { kind = 'PRIMARY', replyTo = '' } = {}) =>
    ({
      from: { name: 'Support', emailAddress },
      replyTo: replyTo === '' ? [] : [{ name: null, emailAddress: replyTo }],
      identity: { kind },
    }) as Parameters<typeof replyAddressFor>[0];
  const writtenTo = (...addresses: string[]): AnsweredConversation => ({
    mailboxIds: ['support'],
    writtenTo: addresses,
    mails: [{ kind: 'INBOUND', to: addresses.map((emailAddress) => ({ name: null, emailAddress })), cc: [] }],
  });
  const to = (emailAddress: string) => [{ name: null, emailAddress }];
  const received = { areAnswersTakenIn: true, areBouncesTakenIn: true };
  const lost = { replyTo: [], areAnswersTakenIn: false, areBouncesTakenIn: false };

  test('to the sender, where its mailbox takes mail in', () => {
    for (const own of ['support@x.example', 'help@x.example', 'support+sales@x.example']) {
      const found = replyAddressFor(sender(own), writtenTo('help@x.example'), takesIn());
      expect(found).toEqual({ replyTo: [], ...received });
    }
  });

  test('to the mailbox of the conversation, where the sender’s takes none in, at the address that was written to', () => {
    const found = (...addresses: string[]) =>
      replyAddressFor(sender('alex@x.example'), writtenTo(...addresses), takesIn());
    const taken = { areAnswersTakenIn: true, areBouncesTakenIn: false };
    expect(found('someone@y.example', 'help@x.example')).toEqual({ replyTo: to('help@x.example'), ...taken });
    expect(found()).toEqual({ replyTo: to('support@x.example'), ...taken });
  });

  test('where the sender profile wants them, taken in or not', () => {
    const found = (replyTo: string) =>
      replyAddressFor(sender('alex@x.example', { replyTo }), writtenTo('help@x.example'), takesIn());
    expect(found('Help@x.example')).toMatchObject({ replyTo: to('Help@x.example'), areAnswersTakenIn: true });
    expect(found('crm@y.example')).toMatchObject({ replyTo: to('crm@y.example'), areAnswersTakenIn: false });
  });

  test('nowhere that we know of, for a conversation whose mailbox takes none in', () => {
    const elsewhere = { ...writtenTo('help@x.example'), mailboxIds: [null, 'gone'] };
    expect(replyAddressFor(sender('alex@x.example'), elsewhere, takesIn())).toEqual(lost);
  });

  test('to a list that was added, which leads to us where a mail to it alone has come in', () => {
    const list = sender('info@x.example', { kind: 'SEND_AS' });
    const came = replyAddressFor(list, writtenTo('info@x.example', 'other@y.example'), takesIn());
    expect(came).toEqual({ replyTo: [], ...received });
    // With a copy to us nobody knows by which of the two it came.
    expect(replyAddressFor(list, writtenTo('info@x.example', 'help@x.example'), takesIn())).toEqual(lost);
  });

  test('as ever where the platform takes mail in: we know nothing of how', () => {
    const found = replyAddressFor(sender('alex@x.example'), writtenTo('help@x.example'), takesIn('PLATFORM'));
    expect(found).toEqual({ replyTo: [], ...received });
  });
});

describe('a reply from a mailbox that takes no mail in', () => {
  let app: TestApp;
  let desk: Desk;
  let team: { mailboxId: string; address: string };
  let own: { mailboxId: string; address: string };
  let identityId: string;
  beforeAll(async () => {
    app = await startTestApp();
    desk = await app.newDesk('Answers');
    team = await desk.connectMailbox(undefined, { sends: true });
    await desk.enable(team.mailboxId);
    own = await desk.connectMailbox(undefined, { sends: true });
    identityId = (await identitiesOf(desk, own.mailboxId)).identities[0]?.id ?? '';
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  const preview = async (input: object) => {
    const { previewReply } = await desk.request<{
      previewReply: { replyTo: { emailAddress: string }[]; warnings: { kind: string; message: string }[] };
    }>(
      `query ($input: PreviewReplyInput!) { previewReply(input: $input) { ... on ReplyPreview {
         replyTo { emailAddress } warnings { kind message } } } }`,
      { input },
    );
    return previewReply;
  };
  const countOf = async (ticketId: string) => {
    const { node } = await desk.request<{ node: { messages: { edges: object[] } } }>(
      'query ($id: ID!) { node(id: $id) { ... on Ticket { messages(first: 20) { edges { node { id } } } } } }',
      { id: ticketId },
    );
    return node.messages.edges.length;
  };

  test('is answered to the mailbox that the customer wrote to, and the answer joins the ticket', async () => {
    const customer = await newCustomer(app.emulator);
    const ticket = await openTicket(app, desk, team.mailboxId, {
      to: team.address,
      from: customer.address,
      subject: 'From a colleague',
    });
    const input = { ticketId: ticket.id, text: 'From my own mailbox.', identityId };
    const shown = await preview(input);
    expect(shown.replyTo).toEqual([{ emailAddress: team.address }]);
    expect(shown.warnings).toEqual([
      {
        kind: 'ANOTHER_ADDRESS',
        message: expect.stringMatching(
          new RegExp(
            `Answers go to ${team.address}; should it come back undelivered, only ${own.address} learns`,
          ),
        ),
      },
    ]);
    const { outboundMessage } = await reply(app.url, desk.apiKey, input);
    const row = await forkFor(app.database, desk.organizationId).findOneOrFail(OutboundMessage, {
      id: rowId(outboundMessage?.id ?? ''),
    });
    expect(row.replyTo).toEqual([{ name: null, emailAddress: team.address }]);
    const received = await customer.gets('the reply', ({ body }) =>
      (body?.content ?? '').includes(input.text),
    );
    expect(received.from?.emailAddress?.address).toBe(own.address);
    await customer.answers(received, 'Thank you.');
    await eventually('the answer is in the ticket', async () => {
      await desk.sync(team.mailboxId);
      return (await countOf(ticket.id)) === 3;
    });
  });

  test('is warned of where the conversation has no mailbox that takes mail in, in the preview and in the reply', async () => {
    const { ticket } = await mutate<{ ticket: { id: string } }>(
      desk,
      'createTicket',
      { subject: 'By telephone', text: 'She called.', requesterEmail: 'carol@fabrikam.example' },
      'ticket { id }',
    );
    const input = { ticketId: ticket.id, text: 'As we said.', identityId };
    const shown = await preview(input);
    expect(shown.replyTo).toEqual([]);
    expect(shown.warnings).toEqual([
      { kind: 'ANSWERS_NOT_RECEIVED', message: expect.stringContaining(own.address) },
    ]);
    expect((await reply(app.url, desk.apiKey, input)).warnings).toEqual([{ kind: 'ANSWERS_NOT_RECEIVED' }]);
    const { senderProfile } = await runSending(app, desk, 'createSenderProfile', {
      name: 'Own',
      replyTo: team.address,
    });
    await runSending(app, desk, 'assignSenderProfile', { identityId, senderProfileId: senderProfile.id });
    expect(await preview(input)).toEqual({ replyTo: [{ emailAddress: team.address }], warnings: [] });
  });

  test('is what a notification does as well, where the mailbox of the ticket does not send', async () => {
    const silent = await desk.connectMailbox(undefined, { sends: true });
    await desk.enable(silent.mailboxId);
    await runSending(app, desk, 'updateOutgoingSettings', { mailboxId: silent.mailboxId, enabled: false });
    await mutate(desk, 'updateOutgoingPolicy', { defaultIdentityId: identityId }, 'organization { id }');
    await runSending(app, desk, 'assignSenderProfile', {
      identityId,
      senderProfileId: (await runSending(app, desk, 'createSenderProfile', { name: 'Plain' })).senderProfile
        .id,
    });
    await switchOn(desk, 'RECEIVED', { mailboxId: silent.mailboxId });
    const mail = { to: silent.address, from: 'dora@fabrikam.example', subject: 'To the silent one' };
    const ticket = await openTicket(app, desk, silent.mailboxId, mail);
    const row = await eventually('the notification is queued', () =>
      forkFor(app.database, desk.organizationId)
        .findOne(OutboundMessage, {
          ticket: rowId(ticket.id),
          kind: 'NOTIFICATION',
        })
        .then((found) => found ?? false),
    );
    expect(row.from.emailAddress).toBe(own.address);
    expect(row.replyTo).toEqual([{ name: null, emailAddress: silent.address }]);
  });
});
