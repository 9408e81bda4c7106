import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Organization } from '../../src/access/organization.entity.ts';
import { User } from '../../src/access/user.entity.ts';
import { InvalidInputError, NotFoundError } from '../../src/errors.ts';
import type { IncomingMail } from '../../src/microsoft365/mail.ts';
import { forkFor } from '../../src/platform/database.ts';
import { Contact } from '../../src/ticketing/contact.entity.ts';
import { ingestMails } from '../../src/ticketing/ingest.ts';
import { Message } from '../../src/ticketing/message.entity.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { afterReply, withStatus } from '../../src/ticketing/ticket-state.ts';
import { AssigneeNotAvailableError, TicketChangedError } from '../../src/ticketing/ticketing-errors.ts';
import {
  addNote,
  createTicket,
  findTicket,
  getTicket,
  type NewTicket,
  updateTicket,
} from '../../src/ticketing/tickets.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { createDesk, ingest, mail, NOW, waitUntilBlocked } from './fixtures.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

async function createTeam(disabledAt: Date | null = null) {
  const { id: organizationId } = await createTestOrganization(own.database);
  const em = forkFor(own.database, organizationId);
  const user = em.create(User, {
    organization: em.getReference(Organization, organizationId),
    name: 'Ada',
    role: 'AGENT',
    disabledAt,
  });
  await em.flush();
  return {
    organizationId,
    userId: user.id,
    by: { actor: { organizationId, userId: user.id }, now: NOW },
    fork: () => forkFor(own.database, organizationId),
  };
}
const input: NewTicket = {
  subject: 'Printer',
  text: 'It burns.',
  requesterEmail: 'Carla@Customer.example',
  tags: ['hardware'],
};
const eventTypes = async (team: { organizationId: string; fork: () => ReturnType<typeof forkFor> }) =>
  (
    await team
      .fork()
      .execute<{ type: string }[]>('select type from event where organization_id = ? order by position', [
        team.organizationId,
      ])
  ).map(({ type }) => type);

describe('createTicket', () => {
  test('opens a ticket with its requester and the text as a note of the actor', async () => {
    const team = await createTeam();
    const ticket = await createTicket(team.fork(), input, team.by);
    const read = await team.fork().findOneOrFail(Ticket, ticket.id, { populate: ['requester'] });
    expect(read).toMatchObject({
      number: 1,
      subject: 'Printer',
      status: 'OPEN',
      priority: 'NORMAL',
      tags: ['hardware'],
      version: 1,
    });
    expect(read.requester.$).toMatchObject({
      emailAddress: 'carla@customer.example',
      name: 'carla@customer.example',
    });
    const [note] = await team.fork().find(Message, {}, { populate: ['text'] });
    expect(note).toMatchObject({ kind: 'NOTE', text: 'It burns.', from: null });
    expect(note?.author?.id).toBe(team.userId);
    expect(await eventTypes(team)).toEqual(['ticket.created', 'message.added']);
  });

  test('takes the contact that exists, and numbers without gaps while mail comes in', async () => {
    const desk = await createDesk(own.database);
    const em = forkFor(own.database, desk.organizationId);
    const user = em.create(User, {
      organization: em.getReference(Organization, desk.organizationId),
      name: 'A',
      role: 'AGENT',
    });
    await em.flush();
    const by = { actor: { organizationId: desk.organizationId, userId: user.id }, now: NOW };
    const made = Array.from({ length: 5 }, () =>
      createTicket(forkFor(own.database, desk.organizationId), input, by),
    );
    const mailed = Array.from({ length: 3 }, () => ingest(own.database, desk, [mail(), mail()]));
    const failed = createTicket(
      forkFor(own.database, desk.organizationId),
      { ...input, assigneeId: uuidv7() },
      by,
    );
    await Promise.allSettled([...made, ...mailed, failed]);
    const tickets = await em.find(Ticket, {}, { orderBy: { number: 'asc' } });
    expect(tickets.map(({ number }) => number)).toEqual(Array.from({ length: 11 }, (_, i) => i + 1));
    expect(await em.count(Contact, { emailAddress: 'carla@customer.example' })).toBe(1);
  });

  test('does not deadlock with mail of the same new person that comes in at this moment', async () => {
    const desk = await createDesk(own.database);
    const fork = () => forkFor(own.database, desk.organizationId);
    const em = fork();
    const user = em.create(User, {
      organization: em.getReference(Organization, desk.organizationId),
      name: 'A',
      role: 'AGENT',
    });
    await em.flush();
    const by = { actor: { organizationId: desk.organizationId, userId: user.id }, now: NOW };
    const page = (mails: IncomingMail[]) => ({
      organizationId: desk.organizationId,
      mailbox: desk.mailbox,
      mails,
      now: NOW,
    });
    let opening: Promise<Ticket> | undefined;
    await fork().transactional(async (inside) => {
      await ingestMails(inside, page([mail()]));
      opening = createTicket(fork(), { ...input, requesterEmail: 'new@customer.example' }, by);
      await waitUntilBlocked(own.database);
      await ingestMails(inside, page([mail({ from: { name: null, emailAddress: 'new@customer.example' } })]));
    });
    expect((await opening)?.number).toBe(3);
  });

  const refused: [name: string, change: Partial<NewTicket>, field: string][] = [
    ['an empty subject', { subject: ' \u0000 ' }, 'subject'],
    ['a very long subject', { subject: 'x'.repeat(501) }, 'subject'],
    ['an empty text', { text: '' }, 'text'],
    ['a very long text', { text: 'x'.repeat(100_001) }, 'text'],
    ['no address', { requesterEmail: 'carla' }, 'requesterEmail'],
    ['too many tags', { tags: Array.from({ length: 51 }, (_, i) => `t${i}`) }, 'tags'],
    ['a tag that is too long', { tags: ['x'.repeat(51)] }, 'tags.0'],
    ['an assignee that is no id', { assigneeId: 'me' }, 'assigneeId'],
  ];
  test.each(refused)('refuses %s and writes nothing', async (_name, change, field) => {
    const team = await createTeam();
    const error = await createTicket(team.fork(), { ...input, ...change }, team.by).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(InvalidInputError);
    expect(error).toMatchObject({ field });
    expect(await team.fork().count(Ticket, {})).toBe(0);
    expect(await team.fork().count(Contact, {})).toBe(0);
  });

  test('refuses an assignee who is disabled or of another organization', async () => {
    const [team, other, disabled] = [await createTeam(), await createTeam(), await createTeam(NOW)];
    await expect(createTicket(team.fork(), { ...input, assigneeId: other.userId }, team.by)).rejects.toThrow(
      AssigneeNotAvailableError,
    );
    await expect(
      createTicket(disabled.fork(), { ...input, assigneeId: disabled.userId }, disabled.by),
    ).rejects.toThrow(AssigneeNotAvailableError);
    expect(await team.fork().count(Ticket, {})).toBe(0);
  });
});

describe('updateTicket', () => {
  test('changes what is given, once, and tells of it', async () => {
    const team = await createTeam();
    const { id } = await createTicket(team.fork(), input, team.by);
    const change = {
      id,
      status: 'CLOSED',
      priority: 'URGENT',
      assigneeId: team.userId,
      tags: ['a', 'b', 'a'],
      subject: 'Fire',
    } as const;
    const updated = await updateTicket(team.fork(), { ...change, tags: [...change.tags] }, team.by);
    expect(updated).toMatchObject({
      status: 'CLOSED',
      priority: 'URGENT',
      tags: ['a', 'b'],
      subject: 'Fire',
      version: 2,
      closedAt: NOW,
    });
    const read = await team.fork().findOneOrFail(Ticket, id);
    expect(read).toMatchObject({ status: 'CLOSED', version: 2 });
    expect(read.assignee?.id).toBe(team.userId);
    expect(await eventTypes(team)).toEqual([
      'ticket.created',
      'message.added',
      'ticket.updated',
      'ticket.closed',
      'ticket.assigned',
    ]);
  });

  test('is idempotent: what is so already changes nothing and tells nobody', async () => {
    const team = await createTeam();
    const { id } = await createTicket(team.fork(), input, team.by);
    await updateTicket(team.fork(), { id, status: 'CLOSED', assigneeId: team.userId }, team.by);
    const later = { ...team.by, now: new Date('2027-01-01T00:00:00Z') };
    const again = await updateTicket(
      team.fork(),
      { id, status: 'CLOSED', assigneeId: team.userId, tags: ['hardware'], subject: 'Printer' },
      later,
    );
    expect(again).toMatchObject({ version: 2, closedAt: NOW });
    expect((await eventTypes(team)).filter((type) => type === 'ticket.updated')).toHaveLength(1);
  });

  test('takes the assignee away with null, and leaves it without', async () => {
    const team = await createTeam();
    const { id } = await createTicket(team.fork(), { ...input, assigneeId: team.userId }, team.by);
    expect((await updateTicket(team.fork(), { id, priority: 'LOW' }, team.by)).assignee?.id).toBe(
      team.userId,
    );
    expect((await updateTicket(team.fork(), { id, assigneeId: null }, team.by)).assignee ?? null).toBeNull();
  });

  test('refuses a change that was made without knowing the last one', async () => {
    const team = await createTeam();
    const { id } = await createTicket(team.fork(), input, team.by);
    await updateTicket(team.fork(), { id, priority: 'HIGH', expectedVersion: 1 }, team.by);
    await expect(
      updateTicket(team.fork(), { id, priority: 'LOW', expectedVersion: 1 }, team.by),
    ).rejects.toThrow(TicketChangedError);
    expect(await getTicket(team.fork(), id)).toMatchObject({ priority: 'HIGH' });
  });

  test('loses no change of two at the same time', async () => {
    const team = await createTeam();
    const { id } = await createTicket(team.fork(), input, team.by);
    await Promise.all([
      updateTicket(team.fork(), { id, priority: 'HIGH' }, team.by),
      updateTicket(team.fork(), { id, status: 'CLOSED' }, team.by),
      updateTicket(team.fork(), { id, tags: ['x'] }, team.by),
    ]);
    expect(await getTicket(team.fork(), id)).toMatchObject({
      priority: 'HIGH',
      status: 'CLOSED',
      tags: ['x'],
      version: 4,
    });
  });

  test('while replies come in: neither blocks or undoes the other', async () => {
    const desk = await createDesk(own.database);
    const original = mail();
    await ingest(own.database, desk, [original]);
    const [ticket] = await forkFor(own.database, desk.organizationId).find(Ticket, {});
    const by = { actor: { organizationId: desk.organizationId, userId: uuidv7() }, now: NOW };
    const reply = () => ingest(own.database, desk, [mail({ inReplyTo: [original.internetMessageId ?? ''] })]);
    const change = (priority: 'LOW' | 'HIGH') =>
      updateTicket(forkFor(own.database, desk.organizationId), { id: ticket?.id ?? '', priority }, by);
    await Promise.all([reply(), change('HIGH'), reply(), change('LOW'), reply(), change('HIGH'), reply()]);
    expect(await forkFor(own.database, desk.organizationId).count(Message, {})).toBe(5);
  });

  test('refuses an unknown ticket and one of another organization alike', async () => {
    const [team, other] = [await createTeam(), await createTeam()];
    const { id, number } = await createTicket(other.fork(), input, other.by);
    await expect(updateTicket(team.fork(), { id, status: 'CLOSED' }, team.by)).rejects.toThrow(NotFoundError);
    await expect(updateTicket(team.fork(), { id: uuidv7(), status: 'CLOSED' }, team.by)).rejects.toThrow(
      NotFoundError,
    );
    await expect(getTicket(team.fork(), id)).rejects.toThrow(NotFoundError);
    expect([await findTicket(team.fork(), { id }), await findTicket(team.fork(), { number })]).toEqual([
      null,
      null,
    ]);
    await expect(findTicket(other.fork(), {})).rejects.toThrow(InvalidInputError);
    expect(await findTicket(other.fork(), { number })).toMatchObject({ id });
  });
});

describe('addNote', () => {
  test('adds the note, moves the time of the last message and tells of both', async () => {
    const team = await createTeam();
    const { id } = await createTicket(team.fork(), input, team.by);
    const later = new Date('2026-11-22T00:00:00Z');
    const note = await addNote(
      team.fork(),
      { ticketId: id, text: ' Called\u0000 them. ' },
      { ...team.by, now: later },
    );
    expect(note).toMatchObject({ kind: 'NOTE', text: 'Called them.', strippedText: 'Called them.' });
    expect(await getTicket(team.fork(), id)).toMatchObject({ lastMessageAt: later, version: 2 });
    expect((await eventTypes(team)).slice(2)).toEqual(['message.added', 'ticket.updated']);
  });

  test('refuses a ticket of another organization and an empty text', async () => {
    const [team, other] = [await createTeam(), await createTeam()];
    const { id } = await createTicket(other.fork(), input, other.by);
    await expect(addNote(team.fork(), { ticketId: id, text: 'x' }, team.by)).rejects.toThrow(NotFoundError);
    await expect(addNote(other.fork(), { ticketId: id, text: ' ' }, other.by)).rejects.toThrow(
      InvalidInputError,
    );
  });
});

describe('the state of a ticket', () => {
  const closed = { status: 'CLOSED', closedAt: NOW } as const;
  const later = new Date('2027-01-01T00:00:00Z');
  test.each([
    [{ status: 'OPEN', closedAt: null }, 'CLOSED', { status: 'CLOSED', closedAt: later }],
    [{ status: 'OPEN', closedAt: null }, 'PENDING', { status: 'PENDING', closedAt: null }],
    [closed, 'CLOSED', closed],
    [closed, 'OPEN', { status: 'OPEN', closedAt: null }],
  ] as const)('%j set to %s', (state, status, result) => {
    expect(withStatus(state, status, later)).toEqual(result);
  });

  test('a reply opens a closed ticket and leaves the others', () => {
    expect(afterReply(closed)).toEqual({ status: 'OPEN', closedAt: null });
    expect(afterReply({ status: 'PENDING', closedAt: null })).toEqual({ status: 'PENDING', closedAt: null });
  });
});
