import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { entities } from '../../src/entities.ts';
import { Mailbox } from '../../src/mailboxes/mailbox.entity.ts';
import type { IncomingMail } from '../../src/microsoft365/mail.ts';
import { forkFor, openDatabase } from '../../src/platform/database.ts';
import { Contact } from '../../src/ticketing/contact.entity.ts';
import { InboundMessage } from '../../src/ticketing/inbound-message.entity.ts';
import { ingestMails, ingestOneAgain, recordFailedMail } from '../../src/ticketing/ingest.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { addMailbox, createDesk, type Desk, ingest, mail, NOW, waitUntilBlocked } from './fixtures.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

const em = (desk: Desk) => forkFor(own.database, desk.organizationId);
const tickets = (desk: Desk) => em(desk).find(Ticket, {}, { orderBy: { number: 'asc' } });
const ledger = (desk: Desk) =>
  em(desk).find(InboundMessage, {}, { orderBy: { receivedAt: 'asc', id: 'asc' } });
const messages = (desk: Desk) =>
  em(desk).find(Message, {}, { orderBy: { id: 'asc' }, populate: ['text', 'html', 'strippedText'] });
const poison = (): IncomingMail => mail({ to: null as unknown as IncomingMail['to'] });
const events = async (desk: Desk) =>
  em(desk).execute<{ type: string; payload: Record<string, string> }[]>(
    'select type, payload from event where organization_id = ? order by position',
    [desk.organizationId],
  );

test('the ledger has the mails of one page in the order in which they came, whatever their ids at Microsoft', async () => {
  const desk = await createDesk(own.database);
  const at = (minute: number, graphMessageId: string) =>
    mail({ graphMessageId, subject: `${minute}`, receivedAt: new Date(NOW.getTime() + minute * 60_000) });
  await ingest(own.database, desk, [at(2, 'c'), at(4, 'a'), at(1, 'd'), at(3, 'b')]);
  const rows = await em(desk).find(InboundMessage, {}, { orderBy: { id: 'asc' } });
  expect(rows.map(({ subject }) => subject)).toEqual(['1', '2', '3', '4']);
});

describe('a mail becomes a ticket', () => {
  test('with its number, requester, message and ledger row, and tells of it', async () => {
    const desk = await createDesk(own.database);
    const result = await ingest(own.database, desk, [
      mail({ subject: 'Printer on fire', from: { name: 'Carla', emailAddress: 'carla@customer.example' } }),
    ]);

    expect(result).toMatchObject({ created: 1, appended: 0, ignored: 0, failed: 0, known: 0, archiveDue: 0 });
    const [ticket] = await em(desk).findAll(Ticket, { populate: ['requester'] });
    expect(ticket).toMatchObject({
      number: 1,
      subject: 'Printer on fire',
      status: 'OPEN',
      priority: 'NORMAL',
      version: 1,
    });
    expect(ticket?.requester.$).toMatchObject({ name: 'Carla', emailAddress: 'carla@customer.example' });
    expect(ticket?.lastMessageAt).toEqual(new Date('2026-11-21T09:00:00Z'));
    const [message] = await messages(desk);
    expect(message).toMatchObject({
      kind: 'INBOUND',
      from: { name: 'Carla', emailAddress: 'carla@customer.example' },
    });
    expect(message?.to).toEqual([{ name: 'Support', emailAddress: 'support@example.com' }]);
    const [row] = await ledger(desk);
    expect(row).toMatchObject({
      outcome: 'TICKET_CREATED',
      reason: 'NEW_CONVERSATION',
      attempts: 1,
      archiveState: 'NOT_WANTED',
    });
    expect([row?.ticket?.id, row?.message?.id]).toEqual([ticket?.id, message?.id]);
    expect((await events(desk)).map(({ type }) => type)).toEqual(['ticket.created', 'message.added']);
  });

  test('also without sender, subject, id, dates or body', async () => {
    const desk = await createDesk(own.database);
    const bare = { from: null, subject: '', internetMessageId: null, conversationId: null, receivedAt: null };
    await ingest(own.database, desk, [
      mail({ ...bare, sentAt: null, body: { contentType: 'text', content: '' } }),
      mail({ ...bare, receivedAt: new Date(Number.NaN) }),
    ]);
    expect((await tickets(desk)).map(({ subject }) => subject)).toEqual(['(no subject)', '(no subject)']);
  });

  test('with characters that PostgreSQL cannot store removed, and what is far too long bounded', async () => {
    const desk = await createDesk(own.database);
    const nasty = 'a\u0000b\ud800c ? ?? \\? $1 \\u0000 \'"';
    const result = await ingest(own.database, desk, [
      mail({
        subject: nasty + 'x'.repeat(5_000),
        internetMessageId: `<${'y'.repeat(5_000)}@z>`,
        conversationId: 'c'.repeat(9_000),
        from: { name: nasty, emailAddress: `${'l'.repeat(5_000)}@example.com` },
        to: Array.from({ length: 2_000 }, (_, i) => ({ name: nasty, emailAddress: `${i}@example.com` })),
        references: ['z'.repeat(200_000), `<${'r'.repeat(3_000)}@x>`],
        body: { contentType: 'html', content: `<p>${nasty}</p>` },
        uniqueBody: { contentType: 'text', content: nasty },
      }),
    ]);
    expect(result).toMatchObject({ created: 1, failed: 0 });
    const [message] = await messages(desk);
    expect(message?.subject).toHaveLength(1_000);
    expect(message?.to).toHaveLength(500);
    expect(message?.strippedText).toBe('ab\ufffdc ? ?? \\? $1 \\u0000 \'"');
  });

  test('and waits to be archived exactly when the mailbox archives', async () => {
    const desk = await createDesk(own.database, {
      afterProcessing: 'ARCHIVE',
      archiveFolder: { id: 'f', displayName: 'Done' },
    });
    const result = await ingest(own.database, desk, [mail(), mail({ isDraft: true })]);
    expect(result).toMatchObject({ archiveDue: 1 });
    expect((await ledger(desk)).map(({ archiveState }) => archiveState).sort()).toEqual([
      'DUE',
      'NOT_WANTED',
    ]);
  });

  test('with one job for the attachments of the page, also when they are only inline', async () => {
    const desk = await createDesk(own.database);
    const result = await ingest(own.database, desk, [
      mail({ hasAttachments: true }),
      mail({ body: { contentType: 'html', content: '<img src="cid:logo@x">' } }),
      mail(),
      mail({ hasAttachments: true, isDraft: true }),
    ]);
    expect(result.attachmentsDue).toBe(2);
    const [row] = await em(desk).execute<{ jobs: number; mails: number }[]>(
      `select count(*)::int as jobs, sum(json_array_length(payload -> 'inboundMessageIds'))::int as mails
       from graphile_worker._private_jobs where payload ->> 'organizationId' = ?::text
         and task_id = (select id from graphile_worker._private_tasks where identifier = 'ticketing.store-attachments')`,
      [desk.organizationId],
    );
    expect(row).toEqual({ jobs: 1, mails: 2 });
  });
});

describe('a reply joins its ticket', () => {
  test('found by its references, in a later page', async () => {
    const desk = await createDesk(own.database);
    const original = mail();
    await ingest(own.database, desk, [original]);
    const later = new Date('2026-11-21T09:30:00Z');
    const result = await ingest(own.database, desk, [
      mail({ inReplyTo: [original.internetMessageId ?? ''], receivedAt: later }),
    ]);

    expect(result).toMatchObject({ created: 0, appended: 1 });
    const all = await tickets(desk);
    expect(all).toHaveLength(1);
    expect(all[0]).toMatchObject({ lastMessageAt: later, version: 2 });
    expect((await events(desk)).map(({ type }) => type)).toEqual([
      'ticket.created',
      'message.added',
      'message.added',
      'ticket.updated',
    ]);
  });

  test('whose original came in the same page, whatever their order in it', async () => {
    const desk = await createDesk(own.database);
    const original = mail({ receivedAt: new Date('2026-11-21T08:00:00Z') });
    const reply = mail({
      references: [original.internetMessageId ?? ''],
      receivedAt: new Date('2026-11-21T08:01:00Z'),
    });
    const replyToReply = mail({
      inReplyTo: [reply.internetMessageId ?? ''],
      receivedAt: new Date('2026-11-21T08:02:00Z'),
    });
    expect(await ingest(own.database, desk, [replyToReply, reply, original])).toMatchObject({
      created: 1,
      appended: 2,
    });
    expect(await tickets(desk)).toHaveLength(1);
  });

  test('by the token of a participant, and not by the token of a stranger', async () => {
    const desk = await createDesk(own.database);
    await ingest(own.database, desk, [
      mail({ subject: 'Help', cc: [{ name: null, emailAddress: 'boss@customer.example' }] }),
    ]);
    await ingest(own.database, desk, [
      mail({ subject: 'Re: Help [#1]', from: { name: null, emailAddress: 'boss@customer.example' } }),
      mail({ subject: 'Re: Help [#1]', from: { name: null, emailAddress: 'stranger@evil.example' } }),
      mail({ subject: 'Re: Help [#1]', from: { name: null, emailAddress: 'support@example.com' } }),
    ]);
    expect((await ledger(desk)).map(({ reason }) => reason)).toEqual([
      'NEW_CONVERSATION',
      'TICKET_TOKEN',
      'NEW_CONVERSATION',
      'NEW_CONVERSATION',
    ]);
  });

  test('by the conversation of this mailbox, and not by that of another', async () => {
    const desk = await createDesk(own.database);
    const other = await addMailbox(own.database, desk.organizationId, desk.accountId, 'sales@example.com');
    await ingest(own.database, desk, [mail({ subject: 'Invoice', conversationId: 'same' })]);
    const reply = { subject: 'AW: Invoice', conversationId: 'same' };
    await ingest(own.database, desk, [mail(reply)]);
    await ingest(own.database, { ...desk, mailbox: other }, [mail(reply)]);
    expect((await ledger(desk)).map(({ reason }) => reason)).toEqual([
      'NEW_CONVERSATION',
      'CONVERSATION',
      'NEW_CONVERSATION',
    ]);
  });

  test('and opens it again when it was closed', async () => {
    const desk = await createDesk(own.database);
    const original = mail();
    await ingest(own.database, desk, [original]);
    await em(desk).nativeUpdate(Ticket, {}, { status: 'CLOSED', closedAt: NOW });
    await ingest(own.database, desk, [mail({ inReplyTo: [original.internetMessageId ?? ''] })]);
    expect((await tickets(desk))[0]).toMatchObject({ status: 'OPEN', closedAt: null });
  });

  test('that does not move the time of the last message back', async () => {
    const desk = await createDesk(own.database);
    const original = mail();
    await ingest(own.database, desk, [original]);
    await ingest(own.database, desk, [
      mail({ inReplyTo: [original.internetMessageId ?? ''], receivedAt: new Date('2020-01-01T00:00:00Z') }),
    ]);
    expect((await tickets(desk))[0]?.lastMessageAt).toEqual(original.receivedAt);
  });
});

describe('a mail is ignored, with its reason', () => {
  test('when it is a draft', async () => {
    const desk = await createDesk(own.database);
    expect(await ingest(own.database, desk, [mail({ isDraft: true })])).toMatchObject({
      ignored: 1,
      created: 0,
    });
    expect((await ledger(desk))[0]).toMatchObject({
      outcome: 'IGNORED',
      reason: 'DRAFT',
      ticket: null,
      message: null,
    });
  });

  test('when the mailbox opens no tickets, though replies still join', async () => {
    const desk = await createDesk(own.database);
    const original = mail();
    await ingest(own.database, desk, [original]);
    const quiet = await addMailbox(own.database, desk.organizationId, desk.accountId, 'quiet@example.com', {
      createTickets: false,
    });
    const result = await ingest(own.database, { ...desk, mailbox: quiet }, [
      mail(),
      mail({ inReplyTo: [original.internetMessageId ?? ''] }),
    ]);
    expect(result).toMatchObject({ ignored: 1, appended: 1 });
  });

  test('when it is a copy of a known message under another Graph id, in this page or an earlier one', async () => {
    const desk = await createDesk(own.database);
    const original = mail();
    const copy = { ...original, graphMessageId: `${original.graphMessageId}-copy` };
    const laterCopy = { ...original, graphMessageId: `${original.graphMessageId}-later` };
    expect(await ingest(own.database, desk, [original, copy])).toMatchObject({ created: 1, ignored: 1 });
    expect(await ingest(own.database, desk, [laterCopy])).toMatchObject({ created: 0, ignored: 1 });
    const rows = await ledger(desk);
    expect(rows.filter(({ reason }) => reason === 'DUPLICATE')).toHaveLength(2);
    expect(new Set(rows.map(({ ticket }) => ticket?.id)).size).toBe(1);
  });

  test('but not when only its Message-ID is the same: ids are not unique', async () => {
    const desk = await createDesk(own.database);
    const original = mail();
    const other = mail({
      internetMessageId: original.internetMessageId,
      body: { contentType: 'text', content: 'else' },
    });
    expect(await ingest(own.database, desk, [original, other])).toMatchObject({ created: 2, ignored: 0 });
  });
});

describe('exactly once', () => {
  test('the same page twice makes nothing new', async () => {
    const desk = await createDesk(own.database);
    const page = [mail(), mail(), mail({ isDraft: true }), poison()];
    await ingest(own.database, desk, page);
    const before = await events(desk);
    expect(await ingest(own.database, desk, page)).toMatchObject({
      created: 0,
      ignored: 0,
      failed: 0,
      known: 4,
    });
    expect(await tickets(desk)).toHaveLength(2);
    expect(await ledger(desk)).toHaveLength(4);
    expect(await events(desk)).toEqual(before);
  });

  test('a message twice in one page counts once', async () => {
    const desk = await createDesk(own.database);
    const one = mail();
    expect(await ingest(own.database, desk, [one, one])).toMatchObject({ created: 1, known: 1 });
  });

  test('two processes with the same page at the same time make each ticket once, with numbers free of gaps', async () => {
    const desk = await createDesk(own.database);
    const elsewhere = await openDatabase({ url: own.url, entities, migrations: [] });
    try {
      const page = Array.from({ length: 30 }, () => mail());
      const results = await Promise.all(
        Array.from({ length: 6 }, (_, i) =>
          ingest(i % 2 ? own.database : elsewhere, desk, page.slice(0, 10 + 4 * i)),
        ),
      );
      expect(results.reduce((sum, { created }) => sum + created, 0)).toBe(30);
      expect((await tickets(desk)).map(({ number }) => number)).toEqual(
        Array.from({ length: 30 }, (_, i) => i + 1),
      );
      expect(await ledger(desk)).toHaveLength(30);
    } finally {
      await elsewhere.close(true);
    }
  });

  test('a crash before the commit leaves nothing behind, and the repetition makes everything, without a gap', async () => {
    const desk = await createDesk(own.database);
    const page = [mail({ hasAttachments: true }), mail()];
    const crashed = em(desk).transactional(async (inside) => {
      const mailbox = await inside.findOneOrFail(Mailbox, desk.mailbox.id);
      await ingestMails(inside, { organizationId: desk.organizationId, mailbox, mails: page, now: NOW });
      throw new Error('killed');
    });
    await expect(crashed).rejects.toThrow('killed');
    expect([(await tickets(desk)).length, (await ledger(desk)).length, (await events(desk)).length]).toEqual([
      0, 0, 0,
    ]);
    expect(await ingest(own.database, desk, page)).toMatchObject({ created: 2, attachmentsDue: 1 });
    expect((await tickets(desk)).map(({ number }) => number)).toEqual([1, 2]);
  });

  test('a reply finds its original that another mailbox is taking in at the same time', async () => {
    const desk = await createDesk(own.database);
    const other = await addMailbox(own.database, desk.organizationId, desk.accountId, 'sales@example.com');
    const original = mail();
    const reply = mail({ inReplyTo: [original.internetMessageId ?? ''] });
    let replying: Promise<unknown> = Promise.resolve();
    await em(desk).transactional(async (inside) => {
      const mailbox = await inside.findOneOrFail(Mailbox, desk.mailbox.id);
      await ingestMails(inside, {
        organizationId: desk.organizationId,
        mailbox,
        mails: [original],
        now: NOW,
      });
      replying = ingest(own.database, { ...desk, mailbox: other }, [reply]);
      await waitUntilBlocked(own.database);
    });
    expect(await replying).toMatchObject({ created: 0, appended: 1 });
  });

  test('one mail to two mailboxes whose reply comes to both is one reply in its ticket', async () => {
    const desk = await createDesk(own.database);
    const other = await addMailbox(own.database, desk.organizationId, desk.accountId, 'sales@example.com');
    const original = mail();
    await ingest(own.database, desk, [original]);
    const reply = mail({ inReplyTo: [original.internetMessageId ?? ''] });
    await ingest(own.database, desk, [reply]);
    const second = { ...reply, graphMessageId: 'in-the-other-mailbox' };
    expect(await ingest(own.database, { ...desk, mailbox: other }, [second])).toMatchObject({ ignored: 1 });
    expect(await messages(desk)).toHaveLength(2);
  });
});

describe('a poisonous mail', () => {
  test('fails alone: the others of its page become tickets', async () => {
    const desk = await createDesk(own.database);
    const result = await ingest(own.database, desk, [mail(), poison(), mail()]);
    expect(result).toMatchObject({ created: 2, failed: 1 });
    expect(result.failures[0]).toBeInstanceOf(Error);
    const failed = await em(desk).findOneOrFail(InboundMessage, { outcome: 'FAILED' });
    expect(failed.id).toBe(result.failedInboundMessageIds[0]);
    expect(failed.problem).toMatchObject({ code: 'PROCESSING_FAILED', since: NOW.toISOString() });
    expect((await tickets(desk)).map(({ number }) => number)).toEqual([1, 2]);
  });

  test('is taken in by a retry, once, however often it is retried', async () => {
    const desk = await createDesk(own.database);
    const broken = poison();
    await ingest(own.database, desk, [broken]);
    const retry = (healed: IncomingMail) =>
      em(desk).transactional(async (inside) =>
        ingestOneAgain(
          inside,
          await inside.findOneOrFail(InboundMessage, { outcome: { $ne: null } }),
          healed,
          NOW,
        ),
      );
    expect(await retry(broken)).toMatchObject({ failed: 1 });
    expect((await ledger(desk))[0]).toMatchObject({ outcome: 'FAILED', attempts: 2 });
    const healed = { ...broken, to: [] };
    const results = await Promise.all([retry(healed), retry(healed)]);
    expect(results.map(({ created }) => created).sort()).toEqual([0, 1]);
    expect((await ledger(desk))[0]).toMatchObject({ outcome: 'TICKET_CREATED', attempts: 3, problem: null });
    expect(await tickets(desk)).toHaveLength(1);
  });

  test('that could not even be read is in the ledger once', async () => {
    const desk = await createDesk(own.database);
    const problem = { code: 'UNREADABLE', message: 'Broken.', remedy: 'Wait.', since: NOW.toISOString() };
    const record = () =>
      em(desk).transactional(async (inside) => {
        const mailbox = await inside.findOneOrFail(Mailbox, desk.mailbox.id);
        return recordFailedMail(inside, {
          organizationId: desk.organizationId,
          mailbox,
          graphMessageId: 'x',
          problem,
          now: NOW,
        });
      });
    expect(await record()).toEqual(expect.any(String));
    expect(await record()).toBeNull();
    expect((await ledger(desk))[0]).toMatchObject({ outcome: 'FAILED', problem });
  });
});

describe('organizations are sealed off', () => {
  test('a reply, a token and a conversation find nothing of another organization', async () => {
    const [one, two] = [await createDesk(own.database), await createDesk(own.database)];
    const original = mail({ subject: 'Secret', conversationId: 'shared' });
    await ingest(own.database, one, [original]);
    const result = await ingest(own.database, two, [
      mail({
        inReplyTo: [original.internetMessageId ?? ''],
        subject: 'Re: Secret [#1]',
        conversationId: 'shared',
      }),
      { ...original, subject: 'Other', conversationId: null },
    ]);
    expect(result).toMatchObject({ created: 2, appended: 0, known: 0 });
    expect(await em(one).count(Message, {})).toBe(1);
    expect(await em(one).count(Contact, {})).toBe(1);
  });
});

test('a page of a hundred mails takes a constant number of statements', async () => {
  const desk = await createDesk(own.database);
  const count = async (size: number) => {
    const statements: string[] = [];
    const logged = await openDatabase({ url: own.url, entities, migrations: [] });
    logged.config.getLogger().setDebugMode(['query']);
    logged.config.getLogger().logQuery = ({ query }) => statements.push(query ?? '');
    await ingest(
      logged,
      desk,
      Array.from({ length: size }, () => mail({ hasAttachments: true, references: ['<a@b>'] })),
    );
    await logged.close(true);
    return statements.length;
  };
  const few = await count(2);
  expect(few).toBeGreaterThan(10);
  expect(await count(100)).toBe(few);
});
