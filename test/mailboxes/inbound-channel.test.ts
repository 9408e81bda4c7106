import { afterAll, beforeAll, expect, test } from 'vitest';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { signIn } from '../access/harness.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface ChannelAnswer {
  organization?: { inboundChannel: string };
  code?: string;
  remedy?: string;
}

const SET = `mutation ($channel: InboundChannel!) { setInboundChannel(input: { channel: $channel }) {
  ... on SetInboundChannelPayload { organization { inboundChannel } } ... on Error { code remedy } } }`;

async function setChannel(desk: Desk, channel: string): Promise<ChannelAnswer> {
  const { setInboundChannel } = await desk.request<{ setInboundChannel: ChannelAnswer }>(SET, { channel });
  return setInboundChannel;
}

async function switchMailbox(desk: Desk, mailboxId: string, enabled: boolean) {
  const { updateIncomingSettings } = await desk.request<{
    updateIncomingSettings: {
      mailbox: { incoming: { enabled: boolean } };
      inboundChannelChanged: { from: string; to: string; message: string } | null;
    };
  }>(
    `mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) {
       ... on UpdateIncomingSettingsPayload { mailbox { incoming { enabled } }
         inboundChannelChanged { from to message } } } }`,
    { input: { mailboxId, enabled } },
  );
  return updateIncomingSettings;
}

async function stateOf(desk: Desk) {
  const { organization, mailboxes } = await desk.request<{
    organization: { inboundChannel: string };
    mailboxes: { edges: { node: { incoming: { enabled: boolean } } }[] };
  }>('{ organization { inboundChannel } mailboxes { edges { node { incoming { enabled } } } } }');
  return {
    channel: organization.inboundChannel,
    receives: mailboxes.edges.some(({ node }) => node.incoming.enabled),
  };
}

/** The cursors of the changes of the organization since the first, as `count` of them have come. */
async function changes(desk: Desk, count: number): Promise<string[]> {
  const from = Buffer.from('0.0').toString('base64url');
  const query = `subscription { organizationChanged(after: "${from}") { cursor organization { inboundChannel } } }`;
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${desk.apiKey}`,
      'content-type': 'application/json',
      accept: 'text/event-stream',
    },
    body: JSON.stringify({ query }),
    // Events wait for the oldest transaction of the whole server, which may be another test's.
    signal: AbortSignal.timeout(SLOW_MACHINE),
  });
  const cursors: string[] = [];
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    cursors.splice(
      0,
      cursors.length,
      ...[...text.matchAll(/"cursor":"([^"]+)"/g)].map(([, cursor = '']) => cursor),
    );
    if (cursors.length >= count) break;
  }
  return cursors;
}

test('enabling a mailbox turns the channel of the platform off, says so, and tells who listens', async () => {
  const desk = await app.newDesk();
  const { mailboxId } = await desk.connectMailbox();
  expect(await stateOf(desk)).toEqual({ channel: 'NONE', receives: false });
  expect(await setChannel(desk, 'PLATFORM')).toEqual({ organization: { inboundChannel: 'PLATFORM' } });
  expect(await switchMailbox(desk, mailboxId, true)).toEqual({
    mailbox: { incoming: { enabled: true } },
    inboundChannelChanged: {
      from: 'PLATFORM',
      to: 'MICROSOFT_365',
      message: expect.stringContaining('The channel of the platform was turned off'),
    },
  });
  expect(await stateOf(desk)).toEqual({ channel: 'MICROSOFT_365', receives: true });
  expect((await switchMailbox(desk, mailboxId, true)).inboundChannelChanged).toBeNull();
  expect(await changes(desk, 2)).toHaveLength(2);
});

test('the channel of the platform is refused while a mailbox takes mail in, and may come back afterwards', async () => {
  const desk = await app.newDesk();
  const { mailboxId } = await desk.connectMailbox();
  await switchMailbox(desk, mailboxId, true);
  for (const channel of ['PLATFORM', 'NONE']) {
    expect(await setChannel(desk, channel)).toEqual({
      code: 'MAILBOX_RECEIVES',
      remedy: expect.stringContaining('updateIncomingSettings'),
    });
  }
  expect(await setChannel(desk, 'MICROSOFT_365')).toMatchObject({ organization: {} });
  await switchMailbox(desk, mailboxId, false);
  expect(await stateOf(desk)).toEqual({ channel: 'MICROSOFT_365', receives: false });
  expect(await setChannel(desk, 'PLATFORM')).toMatchObject({ organization: { inboundChannel: 'PLATFORM' } });
});

test('what is set already changes nothing and nobody is told', async () => {
  const desk = await app.newDesk();
  for (const channel of ['PLATFORM', 'PLATFORM', 'NONE', 'NONE', 'PLATFORM']) await setChannel(desk, channel);
  const cursors = await changes(desk, 3);
  await setChannel(desk, 'PLATFORM');
  await setChannel(desk, 'NONE');
  expect(new Set(await changes(desk, 4)).size).toBe(4);
  expect(cursors).toHaveLength(3);
});

/** Runs both while the organization's row is locked, and lets them go when both wait for it. */
async function atOnce<First, Second>(
  desk: Desk,
  first: () => Promise<First>,
  second: () => Promise<Second>,
): Promise<[First, Second]> {
  const em = forkAcrossOrganizations(app.database);
  const started = await em.transactional(async (holding) => {
    await holding.execute('select from organization where id = ? for no key update', [desk.organizationId]);
    const both = { first: first(), second: second() };
    await eventually('both wait for the lock', async () => {
      const [row] = await forkAcrossOrganizations(app.database).execute<{ count: number }[]>(
        `select count(*)::int as count from pg_stat_activity where datname = current_database()
           and wait_event_type = 'Lock' and query ~ '(from|update) "?organization"? '`,
      );
      return row?.count === 2;
    });
    return both; // not awaited in here: they wait for the end of this transaction
  });
  return [await started.first, await started.second];
}

test('of both at the same moment one sees the other: the platform is refused, or turned off again', async () => {
  const desk = await app.newDesk();
  const { mailboxId } = await desk.connectMailbox();
  for (let round = 0; round < 4; round += 1) {
    // Its runs are waited for: one that stores a page would wait for the lock as well.
    await desk.enable(mailboxId);
    await switchMailbox(desk, mailboxId, false);
    await setChannel(desk, 'NONE');
    const [{ inboundChannelChanged }, answer] = await atOnce(
      desk,
      () => switchMailbox(desk, mailboxId, true),
      () => setChannel(desk, 'PLATFORM'),
    );
    const before = answer.code === 'MAILBOX_RECEIVES' ? 'NONE' : answer.organization?.inboundChannel;
    expect(inboundChannelChanged).toMatchObject({ from: before, to: 'MICROSOFT_365' });
    expect(await stateOf(desk)).toEqual({ channel: 'MICROSOFT_365', receives: true });
    await desk.sync(mailboxId);
  }
});

test('only those who manage the organization may set the channel, and of their own only', async () => {
  const [ours, theirs] = [await app.newDesk(), await app.newDesk()];
  for (const role of ['AGENT', 'VIEWER'] as const) {
    const { secret } = await signIn(app.database, ours.organizationId, role);
    await expect(graphqlRequest(app.url, secret, SET, { channel: 'PLATFORM' })).rejects.toThrow();
  }
  expect(await stateOf(ours)).toMatchObject({ channel: 'NONE' });
  const { secret } = await signIn(app.database, ours.organizationId, 'ADMIN');
  await graphqlRequest(app.url, secret, SET, { channel: 'PLATFORM' });
  expect(await stateOf(ours)).toMatchObject({ channel: 'PLATFORM' });
  expect(await stateOf(theirs)).toMatchObject({ channel: 'NONE' });
});
