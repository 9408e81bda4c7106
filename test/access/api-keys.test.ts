import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SYSTEM } from '../../src/access/actor.ts';
import { ApiKey } from '../../src/access/api-key.entity.ts';
import { createApiKey, revokeApiKey } from '../../src/access/api-keys.ts';
import { authenticate, authenticateApiKey } from '../../src/access/authenticate.ts';
import { can, reloadSession } from '../../src/access/session.ts';
import { User } from '../../src/access/user.entity.ts';
import { updateUser } from '../../src/access/users.ts';
import { MINUTE } from '../../src/platform/clock.ts';
import { forkFor } from '../../src/platform/database.ts';
import { digest } from '../../src/platform/secrets.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/wait.ts';
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

describe('an API key', () => {
  test('is 256 random bits after a mark, and only its digest and prefix are kept', async () => {
    const { id, em } = await newOrganization();
    const { secret, apiKeyId } = await signIn(own.database, id, 'OWNER');
    expect(secret).toMatch(/^dg_[\w-]{43}$/);

    const stored = await em().findOneOrFail(ApiKey, apiKeyId);
    expect(Buffer.from(stored.secretDigest).equals(digest(secret))).toBe(true);
    expect(secret.startsWith(stored.prefix)).toBe(true);
    expect(stored.prefix).toHaveLength(10);
    const [row] = await em().execute<{ row: string }[]>(
      'select to_jsonb(k)::text as row from api_key k where id = ?::uuid',
      [apiKeyId],
    );
    expect(row?.row).not.toContain(secret.slice(11));
  });

  test('signs in as its user, with the permissions of the role, in its organization', async () => {
    const { id } = await newOrganization();
    const { secret, user, apiKeyId } = await signIn(own.database, id, 'AGENT');
    const session = await authenticate(own.database, `Bearer ${secret}`);
    expect(session).toMatchObject({
      organizationId: id,
      userId: user.id,
      userName: 'The AGENT',
      role: 'AGENT',
      apiKeyId,
    });
    if (!session) throw new Error('refused');
    expect(can(session, 'ticket:update')).toBe(true);
    expect(can(session, 'integration:manage')).toBe(false);
    expect(session.permissions.has('ticket:update')).toBe(true);
  });

  test.each([
    undefined,
    null,
    '',
    'Bearer',
    'Bearer ',
    'Basic ZGc6',
    'Bearer dg_unknown',
    `Bearer ${'x'.repeat(513)}`,
    'Bearer a b',
    'Bearer \u0000',
  ])('refuses the header %j', async (header) => {
    expect(await authenticate(own.database, header)).toBeNull();
  });

  test('is refused once revoked, and revoking again changes nothing', async () => {
    const { id, em } = await newOrganization();
    const { secret, session, apiKeyId } = await signIn(own.database, id, 'OWNER');
    const first = await revokeApiKey(em(), { actor: session, apiKeyId });
    expect(await authenticateApiKey(own.database, secret)).toBeNull();
    expect(await reloadSession(own.database, session)).toBeNull();

    const second = await revokeApiKey(em(), { actor: session, apiKeyId });
    expect(second.revokedAt).toEqual(first.revokedAt);
  });

  test('is refused while its user is disabled, and works again afterwards', async () => {
    const { id, em } = await newOrganization();
    await signIn(own.database, id, 'OWNER');
    const { secret, user, session } = await signIn(own.database, id, 'AGENT');
    await updateUser(em(), { actor: SYSTEM, userId: user.id, disabled: true });
    expect(await authenticateApiKey(own.database, secret)).toBeNull();
    expect(await reloadSession(own.database, session)).toBeNull();
    const disabled = await em().findOneOrFail(User, user.id);
    await expect(createApiKey(em(), { actor: SYSTEM, user: disabled, name: 'x' })).rejects.toMatchObject({
      code: 'USER_DISABLED',
    });

    await updateUser(em(), { actor: SYSTEM, userId: user.id, disabled: false });
    expect(await authenticateApiKey(own.database, secret)).toMatchObject({ userId: user.id });
  });

  test('remembers when it was used, to the minute', async () => {
    const { id, em } = await newOrganization();
    const { secret, apiKeyId } = await signIn(own.database, id, 'AGENT');
    const lastUsed = async () => (await em().findOneOrFail(ApiKey, apiKeyId)).lastUsedAt;
    const at = (milliseconds: number) => ({ now: () => new Date(Date.UTC(2030, 0, 1) + milliseconds) });

    await authenticateApiKey(own.database, secret, at(0));
    await eventually('first use', async () => (await lastUsed())?.getTime() === at(0).now().getTime());
    await authenticateApiKey(own.database, secret, at(MINUTE - 1));
    await authenticateApiKey(own.database, secret, at(2 * MINUTE));
    const later = at(2 * MINUTE)
      .now()
      .getTime();
    await eventually('later use', async () => (await lastUsed())?.getTime() === later);
    await Promise.all(
      Array.from({ length: 20 }, () => authenticateApiKey(own.database, secret, at(5 * MINUTE))),
    );
    const last = at(5 * MINUTE)
      .now()
      .getTime();
    await eventually('the use of many at once', async () => (await lastUsed())?.getTime() === last);
  });

  test.each(['', '   ', 'x'.repeat(101)])('needs a name people can read: refuses %j', async (name) => {
    const { id, em } = await newOrganization();
    const { user } = await signIn(own.database, id, 'OWNER');
    await expect(createApiKey(em(), { actor: SYSTEM, user, name })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'name',
    });
  });
});

describe('across roles and organizations', () => {
  test('an ADMIN can neither make nor revoke a key of an OWNER', async () => {
    const { id, em } = await newOrganization();
    const owner = await signIn(own.database, id, 'OWNER');
    const admin = await signIn(own.database, id, 'ADMIN');
    const refused = { code: 'OWNER_REQUIRED' };
    await expect(
      createApiKey(em(), { actor: admin.session, user: owner.user, name: 'x' }),
    ).rejects.toMatchObject(refused);
    await expect(
      revokeApiKey(em(), { actor: admin.session, apiKeyId: owner.apiKeyId }),
    ).rejects.toMatchObject(refused);
    expect(await authenticateApiKey(own.database, owner.secret)).not.toBeNull();
  });

  test("another organization's key does not exist", async () => {
    const mine = await newOrganization();
    const theirs = await newOrganization();
    const me = await signIn(own.database, mine.id, 'OWNER');
    const them = await signIn(own.database, theirs.id, 'OWNER');
    await expect(
      revokeApiKey(mine.em(), { actor: me.session, apiKeyId: them.apiKeyId }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await authenticateApiKey(own.database, them.secret)).not.toBeNull();
  });

  test('sessions of many keys are read again together, each its own', async () => {
    const { id, em } = await newOrganization();
    const signedIn = await Promise.all(
      (['OWNER', 'ADMIN', 'AGENT', 'VIEWER'] as const).map((role) => signIn(own.database, id, role)),
    );
    const [owner, , agent] = signedIn;
    if (!owner || !agent) throw new Error('unreachable');
    await revokeApiKey(em(), { actor: SYSTEM, apiKeyId: agent.apiKeyId });
    const again = await Promise.all(
      [...signedIn, owner].map(({ session }) => reloadSession(own.database, session)),
    );
    expect(again.map((session) => session?.role)).toEqual(['OWNER', 'ADMIN', undefined, 'VIEWER', 'OWNER']);
  });
});
