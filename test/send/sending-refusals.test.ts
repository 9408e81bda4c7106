import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { forkFor } from '../../src/platform/database.ts';
import { identitiesOf, runSending } from '../mailboxes/sending-harness.ts';
import { openTicket, reply } from '../outbound/reply-desk.ts';
import { rowId } from '../security/filled-desk.ts';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';

/*
 * Why nothing is sent, said before anybody writes or at once when they do: what no other test shows from outside.
 */

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());
beforeEach(() => control(app.emulator.url, 'faults', undefined, 'DELETE'));

test('an account that cannot act: a reply through it is refused with what to do, and its mailbox says so', async () => {
  for (const [microsoftCode, code, remedy] of [
    ['AADSTS700082', 'SIGN_IN_REQUIRED', /reauthenticate/],
    ['AADSTS7000222', 'CREDENTIAL_REFUSED', /rotateCredential/],
  ] as const) {
    const desk = await app.newDesk();
    const { mailboxId, address } = await desk.connectMailbox(undefined, { sends: true });
    await desk.enable(mailboxId);
    const ticket = await openTicket(app, desk, mailboxId, { to: address, subject: 'A question' });
    const message = `${microsoftCode}: Microsoft says why. Trace ID: 1 Correlation ID: 2`;
    const fault = { status: 400, errorCode: 'invalid_request', message, pathPattern: '/oauth2/v2.0/token' };
    await control(app.emulator.url, 'faults', fault);
    await control(app.emulator.url, 'tokens/expire', { address });
    await desk.request(
      `mutation ($id: ID!) { createMailFolder(input: { mailboxId: $id, displayName: "a" }) { __typename } }`,
      { id: mailboxId },
    );
    expect((await reply(app.url, desk.apiKey, { ticketId: ticket.id, text: 'x' })).code).toBe(code);
    const { node } = await desk.request<{
      node: { outgoing: { problem: { code: string; remedy: string } } };
    }>('query ($id: ID!) { node(id: $id) { ... on Mailbox { outgoing { problem { code remedy } } } } }', {
      id: mailboxId,
    });
    expect(node.outgoing.problem).toEqual({ code, remedy: expect.stringMatching(remedy) });
    await control(app.emulator.url, 'faults', undefined, 'DELETE');
  }
});

test('a ticket of no mailbox, in an organization without a default identity, has nothing to be answered as', async () => {
  const desk = await app.newDesk();
  const { createTicket } = await desk.request<{ createTicket: { ticket: { id: string } } }>(
    `mutation { createTicket(input: { subject: "A call", text: "They called.", requesterEmail: "ada@fabrikam.example" }) {
       ... on CreateTicketPayload { ticket { id } } } }`,
  );
  const input = { ticketId: createTicket.ticket.id, text: 'x' };
  expect((await reply(app.url, desk.apiKey, input)).code).toBe('NO_IDENTITY');
});

test('one identity, and one sender profile, too many', async () => {
  const desk = await app.newDesk();
  const { mailboxId } = await desk.connectMailbox(undefined, { sends: true });
  const em = forkFor(app.database, desk.organizationId);
  await em.execute(
    `insert into identity (id, organization_id, mailbox_id, email_address, kind, status, created_at, updated_at)
     select gen_random_uuid(), ?, ?, 'alias-' || number || '@contoso.example', 'ALIAS', 'GONE', now(), now()
       from generate_series(2, 500) as number`,
    [desk.organizationId, rowId(mailboxId)],
  );
  const [one] = (await identitiesOf(desk, mailboxId)).identities;
  expect(one).toBeDefined();
  const address = `list-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
  await control(app.emulator.url, 'mailboxes', { address, kind: 'shared' });
  const added = await runSending(app, desk, 'addSendAsAddress', { mailboxId, emailAddress: address });
  expect(added.code).toBe('TOO_MANY_IDENTITIES');
  await em.execute(
    `insert into sender_profile (id, organization_id, name, created_at, updated_at)
     select gen_random_uuid(), ?, 'Profile ' || number, now(), now() from generate_series(1, 1000) as number`,
    [desk.organizationId],
  );
  const made = await runSending(app, desk, 'createSenderProfile', { name: 'One more' });
  expect(made.code).toBe('TOO_MANY_SENDER_PROFILES');
});

test('a file of a message whose content is not here is not sent along, and neither is the reply without it', async () => {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox(undefined, { sends: true });
  await desk.enable(mailboxId);
  await control(app.emulator.url, 'faults', { status: 503, pathPattern: '/attachments/.', mailbox: address });
  const contentBytes = Buffer.from('a file').toString('base64');
  const mail = { to: address, subject: 'A file', attachments: [{ name: 'a.txt', contentBytes }] };
  const ticket = await openTicket(app, desk, mailboxId, mail);
  const file = await eventually('the file is listed', async () => {
    const { node } = await desk.request<{ node: { attachments: { id: string; state: string }[] } }>(
      'query ($id: ID!) { node(id: $id) { ... on Message { attachments { id state } } } }',
      { id: ticket.messageId },
    );
    return node.attachments[0];
  });
  expect(file.state).not.toBe('STORED');
  const input = { ticketId: ticket.id, text: 'x', attachmentIds: [file.id] };
  expect((await reply(app.url, desk.apiKey, input)).code).toBe('ATTACHMENT_NOT_STORED');
});
