import pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { User } from '../../src/access/user.entity.ts';
import { prepareDatabase } from '../../src/database.ts';
import {
  acrossOrganizations,
  type EntityManager,
  forkAcrossOrganizations,
  forkFor,
} from '../../src/platform/database.ts';
import { Contact } from '../../src/ticketing/contact.entity.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/wait.ts';
import { runNode } from './fixtures/run-node.ts';

let db: TestDatabase;
/** Two organizations, and a ticket with its contact in each. */
let own: { organizationId: string; contactId: string; ticketId: string };
let foreign: typeof own;

beforeAll(async () => {
  db = await cloneDatabase();
  own = await newOrganization('Own');
  foreign = await newOrganization('Foreign');
});
afterAll(() => db[Symbol.asyncDispose]());

async function newOrganization(name: string): Promise<typeof own> {
  const organizationId = (await createTestOrganization(db.database, name)).id;
  const em = forkFor(db.database, organizationId);
  const contact = em.create(Contact, {
    organization: organizationId,
    name: `${name} contact`,
    emailAddress: 'carol@fabrikam.example',
  });
  const ticket = em.create(Ticket, newTicket(organizationId, contact.id));
  await em.flush();
  return { organizationId, contactId: contact.id, ticketId: ticket.id };
}

let number = 0;
const newTicket = (organization: string, requester: string) => ({
  organization,
  requester,
  number: ++number,
  subject: 'Printer',
  lastMessageAt: new Date(0),
});

test('without an organization every way to reach rows throws: nothing sees everything by mistake', async () => {
  const unscoped = () => forkAcrossOrganizations(db.database);
  const attempts: Record<string, (em: EntityManager) => Promise<unknown>> = {
    find: (em) => em.find(Ticket, {}),
    findAll: (em) => em.findAll(Ticket),
    findOne: (em) => em.findOne(Ticket, own.ticketId),
    findAndCount: (em) => em.findAndCount(Ticket, {}),
    count: (em) => em.count(Ticket, {}),
    nativeUpdate: (em) => em.nativeUpdate(Ticket, {}, { subject: 'changed' }),
    nativeDelete: (em) => em.nativeDelete(Ticket, {}),
    transactional: (em) => em.transactional((tx) => tx.find(Ticket, {})),
    fork: (em) => em.fork().find(Ticket, {}),
    join: (em) => em.find(Ticket, { requester: { name: 'Own contact' } }),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    await expect(attempt(unscoped()), name).rejects.toThrow(/organization/i);
  }
  const em = forkFor(db.database, own.organizationId);
  expect(await em.findOneOrFail(Ticket, own.ticketId)).toMatchObject({ subject: 'Printer' });
});

test('rows of another organization are not seen, counted, changed or deleted', async () => {
  const em = forkFor(db.database, own.organizationId);
  expect((await em.find(Ticket, {})).map(({ id }) => id)).toEqual([own.ticketId]);
  expect(await em.findOne(Ticket, foreign.ticketId)).toBeNull();
  expect(await em.findOne(Ticket, { id: foreign.ticketId, organization: foreign.organizationId })).toBeNull();
  expect(await em.count(Ticket, {})).toBe(1);
  expect(await em.nativeUpdate(Ticket, { id: foreign.ticketId }, { subject: 'changed' })).toBe(0);
  expect(await em.nativeDelete(Ticket, { id: foreign.ticketId })).toBe(0);
  expect(await em.find(Ticket, { requester: { name: 'Foreign contact' } })).toEqual([]);
});

test('transactions and forks inside keep the organization', async () => {
  const em = forkFor(db.database, own.organizationId);
  const inside = await em.transactional(async (tx) => [
    ...(await tx.find(Contact, {})),
    ...(await tx.transactional((nested) => nested.find(Contact, {}))),
    ...(await tx.fork().find(Contact, {})),
  ]);
  expect(new Set(inside.map(({ id }) => id))).toEqual(new Set([own.contactId]));
});

test('work for two organizations at once does not mix', async () => {
  const [one, other] = [
    forkFor(db.database, own.organizationId),
    forkFor(db.database, foreign.organizationId),
  ];
  const [ofOne, ofOther] = await Promise.all([one.find(Ticket, {}), other.find(Ticket, {})]);
  expect([ofOne[0]?.id, ofOther[0]?.id]).toEqual([own.ticketId, foreign.ticketId]);
});

test('what works for all organizations says so and sees them all', async () => {
  const em = forkAcrossOrganizations(db.database);
  const ids = (await em.find(Ticket, {}, acrossOrganizations)).map(({ id }) => id);
  expect(ids).toEqual(expect.arrayContaining([own.ticketId, foreign.ticketId]));
});

/*
 * A limit of the ORM that code has to know: with dataloaders on, loading a reference to a row that the filter hides (or
 * that is gone) is neither null nor an error but a stub without values. A reference cannot point into another
 * organization (the composite foreign keys below see to that), so this is met only with `em.getReference` on an id that
 * came from outside: look such an id up with `findOne`, never with a reference.
 */
test('a reference to a hidden row loads as a stub without its values: ids from outside are looked up, not referenced', async () => {
  for (const load of ['load', 'loadOrFail'] as const) {
    const em = forkFor(db.database, own.organizationId);
    const reference = em.getReference(Contact, foreign.contactId, { wrapped: true });
    const loaded = await reference[load]();
    expect(reference.isInitialized(), load).toBe(false);
    expect(loaded?.name, load).toBeUndefined();
  }
});

test('references of one organization load with their values, many in one query', async () => {
  const em = forkFor(db.database, own.organizationId);
  const ticket = await em.findOneOrFail(Ticket, own.ticketId);
  expect((await ticket.requester.loadOrFail()).name).toBe('Own contact');
});

test('raw SQL is not under the filter: it must name its organization itself', async () => {
  const em = forkFor(db.database, own.organizationId);
  const [all] = await em.execute<{ count: number }[]>('select count(*)::int as count from ticket');
  expect(all?.count).toBeGreaterThan(1);
  const scoped = await em.execute('select id from ticket where organization_id = ?', [own.organizationId]);
  expect(scoped).toEqual([{ id: own.ticketId }]);
});

test('raw SQL takes part in the transaction around it', async () => {
  const em = forkFor(db.database, own.organizationId);
  const undone = em.transactional(async (tx) => {
    await tx.execute('update ticket set subject = ? where id = ?', ['changed', own.ticketId]);
    throw new Error('undo');
  });
  await expect(undone).rejects.toThrow('undo');
  expect(await em.findOneOrFail(Ticket, own.ticketId)).toMatchObject({ subject: 'Printer' });
});

test('a row that points into another organization cannot exist', async () => {
  const em = forkFor(db.database, own.organizationId);
  em.create(Ticket, newTicket(own.organizationId, foreign.contactId));
  await expect(em.flush()).rejects.toThrow('ticket_organization_id_requester_id_fkey');

  const agent = forkFor(db.database, foreign.organizationId);
  const user = agent.create(User, { organization: foreign.organizationId, name: 'Agent', role: 'AGENT' });
  await agent.flush();
  await expect(
    em.execute('update ticket set assignee_id = ? where id = ?', [user.id, own.ticketId]),
  ).rejects.toThrow('ticket_organization_id_assignee_id_fkey');
});

/** Foreign keys of one column between two tables that both have an organization. */
const REFERENCES_WITHOUT_ORGANIZATION = `
  select c.conname as name
  from pg_constraint c
  where c.contype = 'f' and array_length(c.conkey, 1) = 1
    and c.connamespace = 'public'::regnamespace
    and c.confrelid <> 'organization'::regclass
    and (select count(*) from pg_attribute a
         where a.attname = 'organization_id' and a.attrelid in (c.conrelid, c.confrelid)) = 2`;

test('every reference between tables of organizations is made with the organization', async () => {
  const em = forkAcrossOrganizations(db.database);
  expect(await em.execute(REFERENCES_WITHOUT_ORGANIZATION)).toEqual([]);
});

test('the check of references would see one without its organization', async () => {
  const found = forkAcrossOrganizations(db.database).transactional(async (em) => {
    await em.execute('create table stray (organization_id uuid, ticket_id uuid references ticket)');
    const strays = await em.execute(REFERENCES_WITHOUT_ORGANIZATION);
    throw new Error(JSON.stringify(strays));
  });
  await expect(found).rejects.toThrow('stray_ticket_id_fkey');
});

test('processes that bring an empty database up to date at once do it once, and all see it done', async () => {
  const url = await emptyDatabase();
  const runs = await Promise.all(Array.from({ length: 3 }, () => runNode('migrate.ts', [url]).exited));
  expect(runs).toEqual(runs.map(() => ({ code: 0, stdout: 'pending 0\n', stderr: '' })));
  const applied = await queryOf(url, 'select name from mikro_orm_migrations');
  expect(new Set(applied.map((row) => JSON.stringify(row))).size).toBe(applied.length);
});

test('a statement that runs too long is ended by the server', async () => {
  const em = forkAcrossOrganizations(db.database);
  const [row] = await em.execute<{ statement_timeout: string }[]>('show statement_timeout');
  expect(row?.statement_timeout).toBe('1min');
  const ended = em.transactional(async (tx) => {
    await tx.execute(`set local statement_timeout = '50ms'`);
    await tx.execute('select pg_sleep(60)');
  });
  await expect(ended).rejects.toThrow('statement timeout');
});

test('a query ends when its signal aborts, on the server too, and the pool goes on', async () => {
  const controller = new AbortController();
  const em = forkFor(db.database, own.organizationId, controller.signal);
  const sleeping = em.execute('select pg_sleep(60) as asleep');
  await eventually('the query runs', async () => (await activeQueries('asleep')) === 1);
  controller.abort(new Error('the caller left'));
  await expect(sleeping).rejects.toThrow();
  await eventually('the server has ended it', async () => (await activeQueries('asleep')) === 0);
  await expect(forkFor(db.database, own.organizationId).count(Ticket, {})).resolves.toBe(1);
});

test('many aborted queries and transactions take no place of the pool with them, and hit nobody else', async () => {
  const scoped = (signal?: AbortSignal) => forkFor(db.database, own.organizationId, signal);
  for (let round = 0; round < 5; round++) {
    const controller = new AbortController();
    const aborted = Array.from({ length: 16 }, (_, index) => {
      const em = scoped(controller.signal);
      const sleep = 'select pg_sleep(60) as doomed';
      return index % 2 ? em.execute(sleep) : em.transactional((tx) => tx.execute(sleep));
    });
    const settled = Promise.allSettled(aborted);
    await eventually('all of them run', async () => (await activeQueries('doomed')) === 16);
    const others = Array.from({ length: 20 }, () => scoped().execute('select pg_sleep(0.05)'));
    controller.abort(new Error('the callers left'));
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
    await Promise.all(others);
  }
  // Every place of the pool can be had at once.
  // Every place is held until all are: the first would be free again before a busy machine has made the last connection.
  const holder = new pg.Client({ connectionString: db.url });
  await holder.connect();
  await holder.query('select pg_advisory_lock(20)');
  const places = Array.from({ length: 20 }, () =>
    scoped().execute('select pg_advisory_xact_lock_shared(20) as place'),
  );
  try {
    await eventually('all places are taken', async () => (await activeQueries('place')) === 20);
  } finally {
    await holder.end();
    await Promise.all(places);
  }
});

test('a query whose signal has aborted already is not sent', async () => {
  const em = forkFor(db.database, own.organizationId, AbortSignal.abort(new Error('gone')));
  await expect(em.count(Ticket, {})).rejects.toThrow();
});

test('a database that cannot be reached is an error, and not a wait', async () => {
  await expect(prepareDatabase('postgres://nobody@127.0.0.1:1/none')).rejects.toThrow('ECONNREFUSED');
});

/** How many queries run whose text ends with `as <name>`, as the server tells. */
async function activeQueries(name: string): Promise<number> {
  const rows = await queryOf(
    db.url,
    `select 1 from pg_stat_activity
     where datname = current_database() and state = 'active' and query like '%as ${name}'`,
  );
  return rows.length;
}

async function queryOf(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as unknown[];
  } finally {
    await client.end();
  }
}

/** A database without tables, beside the test's own. */
async function emptyDatabase(): Promise<string> {
  const url = new URL(db.url);
  const name = `${url.pathname.slice(1)}_empty`;
  const maintenance = new URL('/postgres', db.url).href;
  await queryOf(maintenance, `create database ${name}`);
  onTestFinished(async () => void (await queryOf(maintenance, `drop database ${name} with (force)`)));
  url.pathname = `/${name}`;
  return url.href;
}
