import { afterAll, beforeAll, expect, test } from 'vitest';
import { User } from '../../src/access/user.entity.ts';
import { forkFor } from '../../src/platform/database.ts';
import {
  findPage,
  InvalidCursorError,
  type KeysetOrder,
  type PageArguments,
} from '../../src/platform/keyset.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';

let db: TestDatabase;
let organizationId: string;

beforeAll(async () => {
  db = await cloneDatabase();
  organizationId = (await createTestOrganization(db.database)).id;
  const em = forkFor(db.database, organizationId);
  // Three of each name: the id must break the ties.
  for (let index = 0; index < 30; index++) {
    em.create(User, { organization: organizationId, name: `User ${Math.floor(index / 3)}`, role: 'AGENT' });
  }
  await em.flush();
});
afterAll(() => db[Symbol.asyncDispose]());

const byName: KeysetOrder<User> = { key: 'name', direction: 'asc' };
const page = (args: PageArguments, order = byName) =>
  findPage(forkFor(db.database, organizationId), User, {}, order, args);
const ids = async (args: PageArguments, order = byName) =>
  (await page(args, order)).edges.map(({ node }) => node.id);

test('pages forwards cover every row once and in order', async () => {
  const seen: string[] = [];
  let after: string | null = null;
  for (;;) {
    const { edges, pageInfo } = await page({ first: 7, after });
    seen.push(...edges.map(({ node }) => node.id));
    if (!pageInfo.hasNextPage) break;
    after = pageInfo.endCursor;
  }
  expect(seen).toEqual(await ids({ first: 100 }));
  expect(new Set(seen).size).toBe(30);
});

test('pages backwards are the same rows in the same order', async () => {
  const all = await ids({ first: 100 });
  const last = await page({ last: 5 });
  expect(last.edges.map(({ node }) => node.id)).toEqual(all.slice(-5));
  expect(last.pageInfo).toMatchObject({ hasPreviousPage: true, hasNextPage: false });
  expect(await ids({ last: 5, before: last.pageInfo.startCursor })).toEqual(all.slice(-10, -5));
});

test('rows that are added before a page neither repeat nor hide others', async () => {
  const before = await page({ first: 10 });
  const em = forkFor(db.database, organizationId);
  const added = em.create(User, { organization: organizationId, name: 'Aaa', role: 'AGENT' });
  await em.flush();
  const next = await ids({ first: 5, after: before.pageInfo.endCursor });
  await em.remove(added).flush();
  expect(next).toEqual((await ids({ first: 15 })).slice(10));
});

test.each([
  ['garbage', 'garbage'],
  ['JSON of another shape', Buffer.from('{"a":1}').toString('base64url')],
])('refuses %s as a cursor', async (_name, after) => {
  await expect(page({ first: 5, after })).rejects.toThrow(InvalidCursorError);
});

test('refuses a cursor that was made under another order', async () => {
  const { pageInfo } = await page({ first: 1 }, { key: 'createdAt', direction: 'desc' });
  await expect(page({ first: 5, after: pageInfo.endCursor })).rejects.toThrow(InvalidCursorError);
});

test.each([{ first: 101 }, { last: -1 }, { first: 1, last: 1 }])('refuses the page %j', async (args) => {
  await expect(page(args)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});
