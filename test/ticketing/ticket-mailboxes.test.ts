import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { deliver } from '../support/mail.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Shown {
  number: number;
  mailbox: { id: string } | null;
  mailboxes: { id: string }[];
}

async function tickets(desk: Desk): Promise<Shown[]> {
  const { tickets: page } = await desk.request<{ tickets: { edges: { node: Shown }[] } }>(
    `{ tickets(first: 50, orderBy: { field: NUMBER, direction: ASC }) {
       edges { node { number mailbox { id } mailboxes { id } } } } }`,
  );
  return page.edges.map(({ node }) => node);
}

/** Two mailboxes that take mail in, the first of which gets the mails first. */
async function openDesk() {
  const desk = await app.newDesk();
  const support = await desk.connectMailbox();
  const sales = await desk.connectMailbox();
  for (const { mailboxId } of [support, sales]) await desk.enable(mailboxId);
  const send = async (to: (typeof support)[], subject: string) => {
    const messageId = `<${crypto.randomUUID()}@fabrikam.example>`;
    const receivedDateTime = `${new Date().toISOString().slice(0, 19)}Z`;
    for (const { address } of to) {
      await deliver(app.emulator.url, { to: address, subject, messageId, receivedDateTime });
    }
    for (const { mailboxId } of to) await desk.sync(mailboxId);
  };
  return { desk, support, sales, send };
}

test('a mail to two mailboxes is one ticket that names both, whichever was first', async () => {
  const { desk, support, sales, send } = await openDesk();
  await send([support, sales], 'For both');
  await send([sales], 'For one');
  await send([sales, support], 'For both again');
  const ids = (...of: (typeof support)[]) => of.map(({ mailboxId }) => ({ id: mailboxId }));
  expect(await tickets(desk)).toEqual([
    { number: 1, mailbox: { id: support.mailboxId }, mailboxes: ids(support, sales) },
    { number: 2, mailbox: { id: sales.mailboxId }, mailboxes: ids(sales) },
    { number: 3, mailbox: { id: sales.mailboxId }, mailboxes: ids(sales, support) },
  ]);
});

test('a ticket that a person made names none', async () => {
  const { desk } = await openDesk();
  await desk.request(
    `mutation { createTicket(input: { subject: "By hand", requesterEmail: "carol@fabrikam.example", text: "Hello" }) {
       __typename } }`,
  );
  expect(await tickets(desk)).toEqual([{ number: 1, mailbox: null, mailboxes: [] }]);
});
