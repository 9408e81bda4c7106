import { afterAll, beforeAll, expect, test } from 'vitest';
import { deltaRound, IMMUTABLE, type MailServer, startMailServer } from './mail-harness.ts';

let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function quirkyMailbox(mails: number): Promise<{ address: string; delta: string; ids: string[] }> {
  const address = await server.mailbox();
  const ids: string[] = [];
  for (let index = 0; index < mails; index += 1) ids.push((await server.post(address)).immutableId);
  return { address, delta: `/users/${address}/mailFolders/inbox/messages/delta`, ids };
}

test('a corrupt message makes every answer it is in a 500, except where only ids are asked for', async () => {
  const { address, delta, ids } = await quirkyMailbox(3);
  const set = await server.control('PUT', `/mailboxes/${address}/quirks`, { corruptMessages: [ids[1]] });
  expect(set.status).toBe(200);
  const messages = `/users/${address}/messages`;
  for (const path of [delta, messages, `${messages}/${ids[1]}`, `${messages}/${ids[1]}?$select=subject`]) {
    expect((await server.graph('GET', path)).body.error?.code, path).toBe('ErrorInternalServerError');
  }
  expect((await deltaRound(server, `${delta}?$select=id`)).items.map(({ id }) => id)).toEqual(ids);
  expect((await server.graph('GET', `${messages}/${ids[0]}`)).status).toBe(200);
  expect((await server.control('PUT', `/mailboxes/${address}/quirks`, {})).status).toBe(200);
  expect((await server.graph('GET', delta)).status).toBe(200);
});

test('a repeated link leads to the same page, and the query ends once the repeats are used up', async () => {
  const { address, delta, ids } = await quirkyMailbox(3);
  await server.control('PUT', `/mailboxes/${address}/quirks`, { repeatedLinks: 2 });
  const first = await server.graph('GET', delta, { headers: IMMUTABLE });
  const second = await server.graph('GET', first.body['@odata.nextLink'] ?? '', { headers: IMMUTABLE });
  expect(second.body['@odata.nextLink']).toBe(first.body['@odata.nextLink']);
  expect(second.body.value).toEqual(first.body.value);
  const rest = await deltaRound(server, second.body['@odata.nextLink'] ?? '');
  expect(rest.items.map(({ id }) => id)).toEqual(ids);
});

test('an empty page goes on behind a link of its own', async () => {
  const { address, delta, ids } = await quirkyMailbox(3);
  await server.control('PUT', `/mailboxes/${address}/quirks`, { emptyPages: 2 });
  const round = await deltaRound(server, delta);
  expect(round.pages).toBe(3);
  expect(round.items.map(({ id }) => id)).toEqual(ids);
});

test('with partial updates a changed message comes without its subject, a new one whole', async () => {
  const { address, delta, ids } = await quirkyMailbox(1);
  const { deltaLink } = await deltaRound(server, `${delta}?$select=subject,isRead`);
  await server.control('PUT', `/mailboxes/${address}/quirks`, { partialUpdates: true });
  await server.graph('PATCH', `/users/${address}/messages/${ids[0]}`, { body: { isRead: true } });
  const fresh = await server.post(address);
  const { items } = await deltaRound(server, deltaLink);
  const byId = new Map(items.map((item) => [item.id, item]));
  expect(byId.get(ids[0] ?? '')).toMatchObject({ isRead: true });
  expect(byId.get(ids[0] ?? '')).not.toHaveProperty('subject');
  expect(byId.get(fresh.immutableId)).toMatchObject({ subject: 'Help', isRead: false });
});

test('a delta query that lags shows a mail late, in a round under way and in a new one, while its id works at once', async () => {
  const { address, delta, ids } = await quirkyMailbox(1);
  const { deltaLink } = await deltaRound(server, delta);
  await server.control('PUT', `/mailboxes/${address}/quirks`, { deltaLagMs: 60_000 });
  const fresh = await server.post(address);
  const lagging = await deltaRound(server, deltaLink);
  expect(lagging.items).toEqual([]);
  const anew = await deltaRound(server, delta);
  expect(anew.items.map(({ id }) => id)).not.toContain(fresh.immutableId);
  const byId = await server.graph('GET', `/users/${address}/messages/${fresh.immutableId}`);
  expect(byId.status).toBe(200);

  await server.control('POST', '/clock', { advanceSeconds: 61 });
  const late = async (link: string) => (await deltaRound(server, link)).items.map(({ id }) => id);
  expect(await late(lagging.deltaLink)).toEqual([fresh.immutableId]);
  expect(await late(anew.deltaLink)).toContain(fresh.immutableId);
  expect(await late(delta)).toEqual([...ids, fresh.immutableId]);
});

test('quirks of a message that is not there answer 404', async () => {
  const { address } = await quirkyMailbox(0);
  const answer = await server.control('PUT', `/mailboxes/${address}/quirks`, {
    corruptMessages: ['AAnobody'],
  });
  expect(answer.status).toBe(404);
});
