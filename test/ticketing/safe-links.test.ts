import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Organization } from '../../src/access/organization.entity.ts';
import { User } from '../../src/access/user.entity.ts';
import type { Mailbox } from '../../src/mailboxes/mailbox.entity.ts';
import type { IncomingMail } from '../../src/microsoft365/mail.ts';
import { forkFor } from '../../src/platform/database.ts';
import type { CopyPolicy } from '../../src/ticketing/copies.ts';
import { deleteTicket } from '../../src/ticketing/delete-ticket.ts';
import { InboundMessage } from '../../src/ticketing/inbound-message.entity.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { moveMessageToTicket } from '../../src/ticketing/move-message.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { addMailbox, createDesk, type Desk, ingest, mail, NOW } from './fixtures.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const em = (desk: Desk) => forkFor(own.database, desk.organizationId);
const tickets = (desk: Desk) => em(desk).find(Ticket, {}, { orderBy: { number: 'asc' } });
const ledger = (desk: Desk) =>
  em(desk).find(InboundMessage, {}, { orderBy: { createdAt: 'asc', id: 'asc' } });

async function actorOf(desk: Desk) {
  const fork = em(desk);
  const user = fork.create(User, {
    organization: fork.getReference(Organization, desk.organizationId),
    emailAddress: `${crypto.randomUUID()}@example.com`,
    name: 'Ada',
    role: 'ADMIN',
  });
  await fork.flush();
  return { userId: user.id, organizationId: desk.organizationId };
}

/** The body as Safe Links leaves it in the mailbox of a recipient. */
function bodyFor(recipient: string): IncomingMail['body'] {
  const link = `https://eur04.safelinks.protection.outlook.com/?url=https%3A%2F%2Ffabrikam.example%2F&data=05%7C02%7C${encodeURIComponent(recipient)}%7C7d3c&sdata=x&reserved=0`;
  return {
    contentType: 'html',
    content: `<p>See <a href="${link}" originalsrc="https://fabrikam.example/">this</a></p>`,
  };
}

async function open(copyPolicy: CopyPolicy = 'ONE_TICKET') {
  const desk = await createDesk(own.database);
  const other = await addMailbox(own.database, desk.organizationId, desk.accountId, 'sales@example.com');
  await em(desk).execute('update organization set copy_policy = ? where id = ?', [
    copyPolicy,
    desk.organizationId,
  ]);
  const take = (mailbox: Mailbox, one: IncomingMail) => {
    const graphMessageId = `${one.graphMessageId} in ${mailbox.emailAddress}`;
    return ingest(own.database, { ...desk, mailbox }, [
      { ...one, graphMessageId, body: bodyFor(mailbox.emailAddress) },
    ]);
  };
  return { desk, other, take };
}

test('a mail and a reply to all of it, both in two mailboxes, are one ticket of two messages', async () => {
  const { desk, other, take } = await open();
  const first = mail();
  const reply = mail({ inReplyTo: [first.internetMessageId ?? ''] });
  expect(await take(desk.mailbox, first)).toMatchObject({ created: 1 });
  expect(await take(other, first)).toMatchObject({ ignored: 1 });
  expect(await take(other, reply)).toMatchObject({ appended: 1 });
  expect(await take(desk.mailbox, reply)).toMatchObject({ ignored: 1 });
  expect((await ledger(desk)).map(({ reason }) => reason)).toEqual([
    'NEW_CONVERSATION',
    'DUPLICATE',
    'REFERENCES',
    'DUPLICATE',
  ]);
});

test('where each mailbox has its own ticket, the second is linked to the first', async () => {
  const { desk, other, take } = await open('LINKED');
  const first = mail();
  await take(desk.mailbox, first);
  await take(other, first);
  const [one, two] = await tickets(desk);
  expect(two?.copyOfId).toBe(one?.id);
});

test('the copy of a mail whose ticket was deleted does not open it again', async () => {
  const { desk, other, take } = await open();
  const first = mail();
  await take(desk.mailbox, first);
  const [ticket] = await tickets(desk);
  const actor = await actorOf(desk);
  await deleteTicket(em(desk), { ticketId: ticket?.id ?? '' }, { actor, now: NOW });
  expect(await take(other, first)).toMatchObject({ created: 0, ignored: 1 });
  expect((await ledger(desk)).map(({ reason }) => reason)).toEqual(['TICKET_DELETED', 'TICKET_DELETED']);
});

test('what was taken in before texts were compared is known by the same bytes, and its copies move with it', async () => {
  const { desk, other } = await open();
  const first = mail();
  await ingest(own.database, desk, [first]);
  const digest = createHash('sha256')
    .update(JSON.stringify([first.internetMessageId, first.from?.emailAddress, first.body.content]))
    .digest('hex');
  await em(desk).execute('update inbound_message set content_digest = ? where organization_id = ?', [
    digest,
    desk.organizationId,
  ]);
  const copy = { ...first, graphMessageId: `copy-${first.graphMessageId}` };
  expect(await ingest(own.database, { ...desk, mailbox: other }, [copy])).toMatchObject({ ignored: 1 });

  const target = mail();
  await ingest(own.database, desk, [target]);
  const [, ticket] = await tickets(desk);
  const message = await em(desk).findOneOrFail(Message, { internetMessageId: first.internetMessageId });
  const actor = await actorOf(desk);
  await moveMessageToTicket(
    em(desk),
    { messageId: message.id, ticketId: ticket?.id ?? '' },
    { actor, now: NOW },
  );
  expect((await ledger(desk)).map(({ ticket: its }) => its?.id)).toEqual([
    ticket?.id,
    ticket?.id,
    ticket?.id,
  ]);
});
