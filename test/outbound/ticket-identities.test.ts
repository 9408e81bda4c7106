import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { accountIdOf, addressesAreRead, identitiesOf, runSending } from '../mailboxes/sending-harness.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';
import { openTicket, reply } from './reply-desk.ts';

/*
 * What `Ticket.identities` says is chosen is what the preview and the reply take, whoever has written last and wherever.
 */

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Place {
  mailboxId: string;
  address: string;
  alias: string;
}

/** A mailbox that takes mail in and sends, with an alias. */
async function place(desk: Desk): Promise<Place> {
  const { mailboxId, address } = await desk.connectMailbox(undefined, { sends: true });
  const alias = `alias-${address}`;
  const proxyAddresses = [`SMTP:${address}`, `smtp:${alias}`];
  await addressesAreRead(app, mailboxId);
  await control(app.emulator.url, `mailboxes/${address}`, { proxyAddresses }, 'PATCH');
  await runSending(app, desk, 'refreshAccount', { accountId: await accountIdOf(desk, mailboxId) });
  const { identities } = await identitiesOf(desk, mailboxId);
  expect(identities.map(({ emailAddress }) => emailAddress)).toEqual([address, alias]);
  await desk.enable(mailboxId);
  return { mailboxId, address, alias };
}

/** What is said to be chosen, what the preview takes, and what the reply takes. */
async function takenFor(desk: Desk, ticketId: string) {
  const { node, previewReply } = await desk.request<{
    node: { identities: { isChosen: boolean; identity: { emailAddress: string } }[] };
    previewReply: { identity: { emailAddress: string } };
  }>(
    `query ($id: ID!) {
       node(id: $id) { ... on Ticket { identities { isChosen identity { emailAddress } } } }
       previewReply(input: { ticketId: $id, text: "x" }) { ... on ReplyPreview { identity { emailAddress } } } }`,
    { id: ticketId },
  );
  const { outboundMessage, code } = await reply(app.url, desk.apiKey, { ticketId, text: 'Here it is.' });
  if (!outboundMessage) throw new Error(`There was no reply: ${code}`);
  const sent = await desk.request<{ node: { identity: { emailAddress: string } } }>(
    'query ($id: ID!) { node(id: $id) { ... on OutboundMessage { identity { emailAddress } } } }',
    { id: outboundMessage.id },
  );
  return {
    chosen: node.identities.filter(({ isChosen }) => isChosen).map(({ identity }) => identity.emailAddress),
    first: node.identities[0]?.identity.emailAddress,
    previewed: previewReply.identity.emailAddress,
    replied: sent.node.identity.emailAddress,
  };
}

describe('the identity that is said to be chosen is the one that a reply takes', () => {
  test('where the customer wrote to an alias', async () => {
    const desk = await app.newDesk();
    const { mailboxId, alias } = await place(desk);
    const { id } = await openTicket(app, desk, mailboxId, { to: alias, subject: 'To the alias' });
    expect(await takenFor(desk, id)).toMatchObject({ chosen: [alias], previewed: alias, replied: alias });
  });

  test('where a supplier, whom the requester does not know, wrote last and to another address', async () => {
    const desk = await app.newDesk();
    const { mailboxId, address, alias } = await place(desk);
    const ticket = await openTicket(app, desk, mailboxId, { to: alias, subject: 'Price' });
    await reply(app.url, desk.apiKey, {
      ticketId: ticket.id,
      text: 'What does it cost?',
      to: [{ emailAddress: 'sales@supplier.example' }],
      includeQuote: false,
    });
    await deliver(app.emulator.url, {
      from: 'sales@supplier.example',
      to: address,
      subject: 'Re: Price',
      text: 'For you it is half.',
      inReplyTo: ticket.internetMessageId,
    });
    await desk.sync(mailboxId);
    expect(await takenFor(desk, ticket.id)).toMatchObject({
      chosen: [alias],
      previewed: alias,
      replied: alias,
    });
  });

  test('where the customer wrote last to another mailbox', async () => {
    const desk = await app.newDesk();
    const support = await place(desk);
    const billing = await place(desk);
    const ticket = await openTicket(app, desk, support.mailboxId, {
      to: support.address,
      subject: 'Moves on',
    });
    await deliver(app.emulator.url, {
      to: billing.address,
      subject: 'Re: Moves on',
      text: 'And the invoice?',
      inReplyTo: ticket.internetMessageId,
    });
    await desk.sync(billing.mailboxId);
    expect(await takenFor(desk, ticket.id)).toEqual({
      chosen: [billing.address],
      first: billing.address,
      previewed: billing.address,
      replied: billing.address,
    });
  });
});
