import { wrap } from '@mikro-orm/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Organization } from '../../src/access/organization.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import { Contact } from '../../src/ticketing/contact.entity.ts';
import { Ticket } from '../../src/ticketing/ticket.entity.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';

/*
 * What the library does with a row that the organization filter hides, pinned: a new version that behaves otherwise must be
 * looked at before it is used. With dataloaders a hidden row loads as an empty stub instead of failing, so nothing may
 * rely on `load` to keep organizations apart; the composite foreign keys see to it that no such reference exists.
 */

let own: TestDatabase;
let mine: Organization;
let theirs: Organization;
let foreignContactId: string;
beforeAll(async () => {
  own = await cloneDatabase();
  mine = await createTestOrganization(own.database);
  theirs = await createTestOrganization(own.database);
  const em = forkFor(own.database, theirs.id);
  const organization = em.getReference(Organization, theirs.id);
  const contact = em.create(Contact, { organization, name: 'Secret', emailAddress: 'secret@example.com' });
  await em.flush();
  foreignContactId = contact.id;
});
afterAll(() => own?.[Symbol.asyncDispose]());

test('find, findOne, count and update do not see a row of another organization', async () => {
  const em = forkFor(own.database, mine.id);
  expect(await em.find(Contact, { id: foreignContactId })).toEqual([]);
  expect(await em.findOne(Contact, foreignContactId)).toBeNull();
  expect(await em.count(Contact)).toBe(0);
  expect(await em.nativeUpdate(Contact, { id: foreignContactId }, { name: 'Eve' })).toBe(0);
  expect(await em.transactional((tx) => tx.count(Contact))).toBe(0);
});

/** Loads the other organization's row through a reference, in both ways that a resolver may. */
function loadHidden(): Promise<Contact | null>[] {
  const reference = () =>
    wrap(forkFor(own.database, mine.id).getReference(Contact, foreignContactId)).toReference();
  return [reference().load(), reference().loadOrFail()];
}

test('a reference to a hidden row never brings its content', async () => {
  for (const loading of loadHidden()) {
    const loaded = await loading.catch(() => null);
    expect(loaded?.name).toBeUndefined();
  }
});

test('with dataloaders, load and loadOrFail give an uninitialised stub (the library as it is)', async () => {
  for (const loaded of await Promise.all(loadHidden())) {
    expect(loaded && wrap(loaded).isInitialized()).toBe(false);
  }
});

test('the database refuses a reference into another organization', async () => {
  const em = forkFor(own.database, mine.id);
  em.create(Ticket, {
    organization: em.getReference(Organization, mine.id),
    number: 1,
    subject: 'S',
    requester: em.getReference(Contact, foreignContactId),
    lastMessageAt: new Date(0),
  });
  await expect(em.flush()).rejects.toThrow(/foreign key/);
});
