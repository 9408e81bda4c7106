import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSTEM } from '../../src/access/actor.ts';
import { ApiKey } from '../../src/access/api-key.entity.ts';
import { createApiKey } from '../../src/access/api-keys.ts';
import { User } from '../../src/access/user.entity.ts';
import { type EntityManager, forkFor } from '../../src/platform/database.ts';
import {
  findPage,
  InvalidCursorError,
  type KeysetOrder,
  type PageArguments,
} from '../../src/platform/keyset.ts';
import { findPageOf, findPages } from '../../src/platform/keyset-pages.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';
import { countStatements } from '../support/statements.ts';

let db: TestDatabase;
let organizationId: string;
let userIds: string[];
const em = (): EntityManager => forkFor(db.database, organizationId);

/** Users with 0 to 5 keys each, whose names repeat: the id must break the ties. */
async function fill(organization: string): Promise<string[]> {
  const own = forkFor(db.database, organization);
  const ids: string[] = [];
  for (let index = 0; index < 6; index++) {
    const user = own.create(User, { organization, name: `User ${index}`, role: 'AGENT' });
    await own.flush();
    for (let key = 0; key < index; key++) {
      await createApiKey(own, { actor: SYSTEM, user, name: `Key ${key % 2}` });
    }
    ids.push(user.id);
  }
  return ids;
}

beforeAll(async () => {
  db = await cloneDatabase();
  organizationId = (await createTestOrganization(db.database)).id;
  userIds = await fill(organizationId);
});
afterAll(() => db[Symbol.asyncDispose]());

const orders: KeysetOrder<ApiKey>[] = [
  { key: 'name', direction: 'asc' },
  { key: 'createdAt', direction: 'desc' },
];
const shape = ({ edges, pageInfo }: Awaited<ReturnType<typeof findPage<ApiKey>>>) => ({
  edges: edges.map(({ cursor, node }) => [cursor, node.id, node.name]),
  pageInfo,
});

test.each(orders)('the pages of many parents are those of each alone, by $key $direction', async (order) => {
  const { edges } = await findPage(em(), ApiKey, { user: userIds[5] ?? '' }, order, {});
  const cursor = edges[2]?.cursor ?? null;
  const pages: PageArguments[] = [
    {},
    { first: 2 },
    { last: 2 },
    { first: 0 },
    { first: 2, after: cursor },
    { last: 1, before: cursor },
    { after: edges[0]?.cursor, before: edges[4]?.cursor },
  ];
  for (const args of pages) {
    const found = await findPages(em(), ApiKey, { parent: 'user', parentIds: userIds }, order, args);
    expect([...found.keys()]).toEqual(userIds);
    for (const [user, page] of found) {
      expect(shape(page)).toEqual(shape(await findPage(em(), ApiKey, { user }, order, args)));
    }
  }
});

test('a condition narrows each list', async () => {
  const lists = { parent: 'user' as const, parentIds: userIds, where: { name: 'Key 1' } };
  const found = await findPages(em(), ApiKey, lists, { key: 'name', direction: 'asc' }, { first: 1 });
  expect([...found.values()].map(({ edges }) => edges.length)).toEqual([0, 0, 1, 1, 1, 1]);
});

test('another organization sees nothing of them', async () => {
  const other = (await createTestOrganization(db.database)).id;
  const found = await findPages(
    forkFor(db.database, other),
    ApiKey,
    { parent: 'user', parentIds: userIds },
    { key: 'name', direction: 'asc' },
    {},
  );
  expect([...found.values()].every(({ edges }) => edges.length === 0)).toBe(true);
});

test('lists that are asked for at once are one statement for each page, and wrong cursors fail each', async () => {
  const own = em();
  const order: KeysetOrder<ApiKey> = { key: 'name', direction: 'asc' };
  const statements = await countStatements(db.database, async () => {
    const ask = (args: PageArguments) =>
      Promise.all(
        [...userIds, ...userIds].map((id) => findPageOf(own, ApiKey, { parent: 'user', id }, order, args)),
      );
    const [few, all] = await Promise.all([ask({ first: 1 }), ask({})]);
    expect(few.map(({ edges }) => edges.length)).toEqual([0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1]);
    expect(all.map(({ edges }) => edges.length)).toEqual([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
  });
  expect(statements).toHaveLength(2);
  const wrong = userIds.map((id) =>
    findPageOf(own, ApiKey, { parent: 'user', id }, order, { after: 'garbage' }),
  );
  for (const { status, reason } of (await Promise.allSettled(wrong)) as PromiseRejectedResult[]) {
    expect([status, reason]).toEqual(['rejected', expect.any(InvalidCursorError)]);
  }
});
