import { afterAll, beforeAll, expect, test } from 'vitest';
import { OutboundMessage } from '../../src/outbound/outbound-message.entity.ts';
import { accountIdOf, addressesAreRead, identitiesOf, runSending } from '../mailboxes/sending-harness.ts';
import { rowId } from '../security/filled-desk.ts';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { address, decided, open, openStage, type Stage, switchOn, update } from './notification-stage.ts';
import { reply } from './reply-desk.ts';

/*
 * What a notification to a customer answers: nothing that they may not know of.
 */

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

/** The mail that told of a ticket, as it lies in the outbox. */
async function told(stage: Stage, ticketId: string, kind: string): Promise<OutboundMessage> {
  const [decision] = await decided(stage.desk, ticketId, kind);
  expect(decision).toMatchObject({ outcome: 'QUEUED' });
  return stage
    .fork()
    .findOneOrFail(OutboundMessage, { id: rowId(decision?.outboundMessage?.id ?? '') }, { refresh: true });
}

/** Somebody writes into the ticket whom the customer does not know of. */
async function supplierWrites(stage: Stage, inReplyTo: string, to: string): Promise<string> {
  const mail = {
    from: 'sales@supplier.example',
    to,
    subject: 'Re: Printer on fire',
    text: 'Half price.',
    inReplyTo,
  };
  const { internetMessageId } = await deliver(app.emulator.url, mail);
  await stage.desk.sync(stage.mailboxId);
  return internetMessageId;
}

/** Another address of the mailbox, which can be sent as. */
async function withAlias({ desk, mailboxId, address: primary }: Stage): Promise<string> {
  const alias = `alias-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
  const proxyAddresses = [`SMTP:${primary}`, `smtp:${alias}`];
  await addressesAreRead(app, mailboxId);
  await control(app.emulator.url, `mailboxes/${primary}`, { proxyAddresses }, 'PATCH');
  await runSending(app, desk, 'refreshAccount', { accountId: await accountIdOf(desk, mailboxId) });
  await eventually('the alias can be sent as', async () =>
    (await identitiesOf(desk, mailboxId)).identities.some((one) => one.emailAddress === alias && one.canSend),
  );
  return alias;
}

/** Graph's id of a mail in the mailbox. */
async function graphIdOf({ fork, desk }: Stage, internetMessageId: string): Promise<string | undefined> {
  const [row] = await fork().execute<{ graph_message_id: string }[]>(
    'select graph_message_id from inbound_message where organization_id = ? and internet_message_id = ?',
    [desk.organizationId, internetMessageId],
  );
  return row?.graph_message_id;
}

test('CLOSED answers the customer’s own mail, from the address that they wrote to, though a supplier wrote last', async () => {
  const stage = await openStage(app);
  await switchOn(stage.desk, 'CLOSED', { mailboxId: stage.mailboxId });
  const alias = await withAlias(stage);
  const ticket = await open(stage, { from: address() });
  const supplier = await supplierWrites(stage, ticket.internetMessageId, alias);
  await update(stage.desk, ticket.id, { status: 'CLOSED' });
  const mail = await told(stage, ticket.id, 'CLOSED');
  expect(mail).toMatchObject({
    inReplyTo: ticket.internetMessageId,
    references: [ticket.internetMessageId],
    answersGraphMessageId: await graphIdOf(stage, ticket.internetMessageId),
    from: { emailAddress: stage.address },
  });
  expect(JSON.stringify(mail.references)).not.toContain(supplier);
});

test('CLOSED answers the last of the customer’s mails, and names those before it', async () => {
  const stage = await openStage(app);
  await switchOn(stage.desk, 'CLOSED', { mailboxId: stage.mailboxId });
  const customer = address();
  const ticket = await open(stage, { from: customer });
  const first = await reply(app.url, stage.desk.apiKey, { ticketId: ticket.id, text: 'We are on it.' });
  expect(first.code).toBeUndefined();
  const second = await deliver(app.emulator.url, {
    from: customer,
    to: stage.address,
    subject: 'Re: Printer on fire',
    inReplyTo: ticket.internetMessageId,
  });
  await stage.desk.sync(stage.mailboxId);
  await supplierWrites(stage, ticket.internetMessageId, stage.address);
  await update(stage.desk, ticket.id, { status: 'CLOSED' });
  const mail = await told(stage, ticket.id, 'CLOSED');
  expect(mail.inReplyTo).toBe(second.internetMessageId);
  expect(mail.references[0]).toBe(ticket.internetMessageId);
});

test('RECEIVED answers the mail that opened the ticket', async () => {
  const stage = await openStage(app);
  await switchOn(stage.desk, 'RECEIVED', { mailboxId: stage.mailboxId });
  const ticket = await open(stage, { from: address() });
  const mail = await told(stage, ticket.id, 'RECEIVED');
  expect(mail).toMatchObject({
    inReplyTo: ticket.internetMessageId,
    references: [ticket.internetMessageId],
    answersGraphMessageId: await graphIdOf(stage, ticket.internetMessageId),
  });
});
