import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/access/actor.ts';
import { User } from '../../src/access/user.entity.ts';
import { createUser, updateUser } from '../../src/access/users.ts';
import { forkFor } from '../../src/platform/database.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { signIn } from './harness.ts';

let own: TestDatabase;
beforeAll(async () => {
  own = await cloneDatabase();
});
afterAll(() => own[Symbol.asyncDispose]());

async function newOrganization() {
  const { id } = await createTestOrganization(own.database);
  return { id, em: () => forkFor(own.database, id) };
}

describe('createUser', () => {
  test('makes a user with a tidy name and address', async () => {
    const { id, em } = await newOrganization();
    const { session } = await signIn(own.database, id, 'ADMIN');
    const user = await createUser(em(), {
      actor: session,
      organizationId: id,
      name: '  Ada Lovelace ',
      emailAddress: 'Ada@Example.COM',
      role: 'AGENT',
    });
    const stored = await em().findOneOrFail(User, user.id);
    expect(stored).toMatchObject({ name: 'Ada Lovelace', emailAddress: 'ada@example.com', role: 'AGENT' });
  });

  test('refuses: an ADMIN making an OWNER', async () => {
    const { id, em } = await newOrganization();
    const { session } = await signIn(own.database, id, 'ADMIN');
    await expect(
      createUser(em(), { actor: session, organizationId: id, name: 'x', role: 'OWNER' }),
    ).rejects.toMatchObject({ code: 'OWNER_REQUIRED' });
  });

  test.each([
    [{ name: '' }, 'name'],
    [{ name: 'x'.repeat(201) }, 'name'],
    [{ emailAddress: 'not an address' }, 'emailAddress'],
    [{ role: 'GOD' as never }, 'role'],
  ])('refuses %j and names the field', async (fault, field) => {
    const { id, em } = await newOrganization();
    await expect(
      createUser(em(), { actor: SYSTEM, organizationId: id, name: 'x', role: 'AGENT', ...fault }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
    expect(await em().count(User)).toBe(0);
  });
});

describe('updateUser', () => {
  test('changes what is given and leaves the rest', async () => {
    const { id, em } = await newOrganization();
    const { user } = await signIn(own.database, id, 'OWNER');
    await updateUser(em(), { actor: SYSTEM, userId: user.id, emailAddress: 'o@example.com' });
    await updateUser(em(), { actor: SYSTEM, userId: user.id, name: 'Renamed' });
    const stored = await em().findOneOrFail(User, user.id);
    expect(stored).toMatchObject({ name: 'Renamed', emailAddress: 'o@example.com', role: 'OWNER' });
    expect(stored.disabledAt).toBeNull();
  });

  test.each([{ role: 'ADMIN' as const }, { disabled: true }])(
    'refuses: the last enabled OWNER becoming %j',
    async (change) => {
      const { id, em } = await newOrganization();
      const { user, session } = await signIn(own.database, id, 'OWNER');
      const other = await signIn(own.database, id, 'OWNER');
      await updateUser(em(), { actor: session, userId: other.user.id, disabled: true });
      await expect(updateUser(em(), { actor: session, userId: user.id, ...change })).rejects.toMatchObject({
        code: 'LAST_OWNER',
      });
      const stored = await em().findOneOrFail(User, user.id);
      expect(stored).toMatchObject({ role: 'OWNER', disabledAt: null });
    },
  );

  test('two OWNERs who demote each other in the same instant: one stays', async () => {
    for (let round = 0; round < 10; round++) {
      const { id, em } = await newOrganization();
      const one = await signIn(own.database, id, 'OWNER');
      const two = await signIn(own.database, id, 'OWNER');
      const results = await Promise.allSettled([
        updateUser(em(), { actor: one.session, userId: two.user.id, role: 'AGENT' }),
        updateUser(em(), { actor: two.session, userId: one.user.id, disabled: true }),
      ]);
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(await em().count(User, { role: 'OWNER', disabledAt: null })).toBe(1);
    }
  });

  test('refuses: an ADMIN changing an OWNER, or making one', async () => {
    const { id, em } = await newOrganization();
    const owner = await signIn(own.database, id, 'OWNER');
    const admin = await signIn(own.database, id, 'ADMIN');
    const refused = { code: 'OWNER_REQUIRED' };
    const actor = admin.session;
    await expect(updateUser(em(), { actor, userId: owner.user.id, name: 'x' })).rejects.toMatchObject(
      refused,
    );
    await expect(updateUser(em(), { actor, userId: admin.user.id, role: 'OWNER' })).rejects.toMatchObject(
      refused,
    );
  });

  test("another organization's user does not exist", async () => {
    const mine = await newOrganization();
    const theirs = await newOrganization();
    const me = await signIn(own.database, mine.id, 'OWNER');
    const them = await signIn(own.database, theirs.id, 'OWNER');
    await expect(
      updateUser(mine.em(), { actor: me.session, userId: them.user.id, name: 'x' }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
