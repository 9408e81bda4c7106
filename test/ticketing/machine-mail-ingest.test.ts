import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forkFor } from '../../src/platform/database.ts';
import { OWN_MAIL_HEADER } from '../../src/ticketing/machine-mail.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { machineMailSource } from './machine-mails.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app[Symbol.asyncDispose]());

interface Row {
  outcome: string;
  reason: string;
  explanation: string;
  ticket: { id: string; number: number; status: string } | null;
  message: {
    automatic: string | null;
    bounce: { action: string; recipient: string; status: string; reason: string } | null;
  } | null;
}

/** A desk with a closed ticket whose message is `<original-1@…>` of the collection. */
async function deskWithClosedTicket() {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const messageId = `<${crypto.randomUUID()}@contoso.example>`;
  await deliver(app.emulator.url, { to: address, subject: 'The printer does not print', messageId });
  await desk.sync(mailboxId);
  const [first] = await ledger(desk);
  const id = first?.ticket?.id;
  await desk.request(
    `mutation ($id: ID!) { updateTicket(input: { ticketId: $id, status: CLOSED }) { __typename } }`,
    { id },
  );
  return { desk, mailboxId, address, messageId, ticketId: id };
}

/** A mail of the collection arrives, as an answer to that message or to nothing known. */
async function receive(
  { desk, mailboxId, address }: { desk: Desk; mailboxId: string; address: string },
  source: string,
): Promise<Row | undefined> {
  const answer = await fetch(`${app.emulator.url}/_emulator/mail?to=${encodeURIComponent(address)}`, {
    method: 'POST',
    headers: { 'content-type': 'message/rfc822' },
    body: source,
  });
  expect(answer.status).toBe(201);
  await desk.sync(mailboxId);
  return (await ledger(desk)).at(-1);
}

async function ledger(desk: Desk): Promise<Row[]> {
  const { inboundMessages } = await desk.request<{ inboundMessages: { edges: { node: Row }[] } }>(
    `{ inboundMessages(first: 50) { edges { node { outcome reason explanation
         ticket { id number status } message { automatic bounce { action recipient status reason } } } } } }`,
  );
  return inboundMessages.edges.map(({ node }) => node).toReversed();
}

const answering = (name: string, messageId: string) =>
  machineMailSource(name).replaceAll('original-1@contoso.example', messageId.slice(1, -1));

describe('a machine answers in a closed ticket', () => {
  test.each([
    ['exchange-out-of-office', 'REPLY_ADDED', 'REFERENCES', 'OUT_OF_OFFICE'],
    ['exchange-out-of-office-german', 'REPLY_ADDED', 'REFERENCES', 'OUT_OF_OFFICE'],
    ['gmail-vacation', 'REPLY_ADDED', 'REFERENCES', 'AUTO_REPLY'],
    ['read-receipt', 'IGNORED', 'READ_RECEIPT', null],
  ])('%s: %s, and the ticket stays closed', async (name, outcome, reason, automatic) => {
    const at = await deskWithClosedTicket();
    const row = await receive(at, answering(name, at.messageId));
    expect(row).toMatchObject({ outcome, reason, ticket: { id: at.ticketId, status: 'CLOSED' } });
    expect(row?.message?.automatic ?? null).toBe(automatic);
    expect(row?.explanation).toContain('recognised by');
  });

  test('a person’s answer opens it: the control', async () => {
    const at = await deskWithClosedTicket();
    const source = machineMailSource('person-answering-absence').replace(
      '<oof-of-yours@contoso.example>',
      at.messageId,
    );
    expect(await receive(at, source)).toMatchObject({
      outcome: 'REPLY_ADDED',
      ticket: { id: at.ticketId, status: 'OPEN' },
      message: { automatic: null },
    });
  });

  test('an alert opens it, for somebody must see it', async () => {
    const at = await deskWithClosedTicket();
    const source = `In-Reply-To: ${at.messageId}\r\n${machineMailSource('monitoring-alert')}`;
    expect(await receive(at, source)).toMatchObject({
      outcome: 'REPLY_ADDED',
      ticket: { id: at.ticketId, status: 'OPEN' },
      message: { automatic: 'AUTO_GENERATED' },
    });
  });
});

describe('a bounce', () => {
  test.each([
    ['exchange-ndr-english', 'FAILED', 'nobody@fabrikam.example', '5.1.10'],
    ['exchange-ndr-german', 'FAILED', 'voll@fabrikam.example', '5.2.2'],
    ['exim-bounce', 'FAILED', 'nobody@hoster.example', null],
    ['delayed', 'DELAYED', 'slow@fabrikam.example', '4.4.1'],
  ])(
    '%s joins the ticket of the mail that bounced, which stays closed',
    async (name, action, recipient, status) => {
      const at = await deskWithClosedTicket();
      const row = await receive(at, answering(name, at.messageId));
      expect(row).toMatchObject({
        outcome: 'REPLY_ADDED',
        reason: 'REFERENCES',
        ticket: { id: at.ticketId, status: 'CLOSED' },
        message: { automatic: 'BOUNCE', bounce: { action, recipient, status } },
      });
      expect(row?.explanation).toContain(recipient);
    },
  );

  test('marks the mail that was sent from here to who did not get it, and no other', async () => {
    const at = await deskWithClosedTicket();
    const em = forkFor(app.database, at.desk.organizationId);
    const ticket = await em.findOneOrFail(Ticket, {});
    const sent = (to: string, internetMessageId: string) =>
      em.create(Message, {
        organization: ticket.organization,
        ticket,
        kind: 'OUTBOUND',
        to: [{ name: null, emailAddress: to }],
        cc: [],
        subject: 'Re: The printer does not print',
        text: 'Is it on?',
        strippedText: 'Is it on?',
        internetMessageId,
      });
    const lost = sent('nobody@fabrikam.example', '<sent-1@contoso.example>');
    const other = sent('carol@fabrikam.example', at.messageId);
    await em.flush();
    const ids = `<sent-1@contoso.example> ${at.messageId}`;
    const source = answering('exchange-ndr-english', '<sent-1@contoso.example>');
    await receive(at, source.replace(/References: .*/, `References: ${ids}`));
    await em.refresh(lost);
    await em.refresh(other);
    expect(lost.bounce).toMatchObject({ action: 'FAILED', status: '5.1.10' });
    expect(other.bounce ?? null).toBe(null);
  });
});

test('what answers something unknown is ignored, and what people want becomes a ticket', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  const at = { desk, mailboxId, address };
  const became: Record<string, string> = {};
  for (const name of [
    'exchange-out-of-office',
    'gmail-vacation',
    'exchange-rule-reply',
    'read-receipt',
    'delivery-receipt',
    'meeting-accepted',
    'postfix-bounce',
    'monitoring-alert',
    'jira-notification',
    'github-notification',
    'mailchimp-newsletter',
    'exchange-rule-forward',
    'redirected-by-rule',
    'person',
    'person-at-postmaster',
  ]) {
    const row = await receive(at, machineMailSource(name));
    became[name] = `${row?.outcome} ${row?.reason} ${row?.message?.automatic ?? ''}`.trim();
  }
  expect(became).toEqual({
    'exchange-out-of-office': 'IGNORED OUT_OF_OFFICE',
    'gmail-vacation': 'IGNORED AUTO_REPLY',
    'exchange-rule-reply': 'IGNORED AUTO_REPLY',
    'read-receipt': 'IGNORED READ_RECEIPT',
    'delivery-receipt': 'IGNORED READ_RECEIPT',
    'meeting-accepted': 'IGNORED CALENDAR_RESPONSE',
    'postfix-bounce': 'IGNORED BOUNCE',
    'monitoring-alert': 'TICKET_CREATED NEW_CONVERSATION AUTO_GENERATED',
    'jira-notification': 'TICKET_CREATED NEW_CONVERSATION AUTO_GENERATED',
    'github-notification': 'TICKET_CREATED NEW_CONVERSATION LIST_MAIL',
    'mailchimp-newsletter': 'TICKET_CREATED NEW_CONVERSATION LIST_MAIL',
    'exchange-rule-forward': 'TICKET_CREATED NEW_CONVERSATION AUTO_GENERATED',
    'redirected-by-rule': 'TICKET_CREATED NEW_CONVERSATION',
    person: 'TICKET_CREATED NEW_CONVERSATION',
    'person-at-postmaster': 'TICKET_CREATED NEW_CONVERSATION',
  });
});

test('our own mail that comes back is ignored; between two of our mailboxes it is kept and never answered', async () => {
  const desk = await app.newDesk();
  const first = await desk.connectMailbox();
  const second = await desk.connectMailbox();
  await desk.enable(second.mailboxId);
  const at = { desk, mailboxId: second.mailboxId, address: second.address };
  const own = machineMailSource('person').replace(
    'carla@customer.example>\r\nTo:',
    `${first.address}>\r\nTo:`,
  );
  expect(await receive(at, own)).toMatchObject({
    outcome: 'TICKET_CREATED',
    message: { automatic: 'OWN_MAIL' },
  });
  const back = `${OWN_MAIL_HEADER}: ${desk.organizationId}\r\n${machineMailSource('person-at-postmaster')}`;
  expect(await receive(at, back)).toMatchObject({ outcome: 'IGNORED', reason: 'OWN_MAIL' });
});
