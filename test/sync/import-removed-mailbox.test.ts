import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AccessDesk, accessDesk } from '../mailboxes/access-harness.ts';
import { control, startTestApp, type TestApp } from '../support/app.ts';
import { type GraphWay, startGraphWay } from '../support/graph-way.ts';
import { eventually } from '../support/wait.ts';
import {
  askToImport,
  callImport,
  daysAgo,
  importOf,
  importReaches,
  LATER_PAGES,
  lastImportOf,
  leave,
} from './import-harness.ts';
import { query } from './push-harness.ts';

/** Enough for three pages. */
const MAILS = 250;

let graph: GraphWay;
let app: TestApp;
beforeAll(async () => {
  graph = await startGraphWay();
  app = await startTestApp({}, { env: { MICROSOFT_GRAPH_URL: graph.url } });
  graph.target = app.emulator.graphUrl;
});
afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await graph?.[Symbol.asyncDispose]();
});

const oldMails = Array.from({ length: MAILS }, (_, index) => ({
  subject: `Old ${index}`,
  receivedDateTime: daysAgo(30, index),
}));

/** A mailbox with old mail, incoming mail switched on. */
async function fullMailbox(mails = oldMails) {
  const stage = accessDesk(app, await app.newDesk());
  const address = await stage.newMailbox();
  const { accountId, integrationId } = await stage.connect(address);
  const mailboxId = await connectedId(stage, address);
  await leave(app, address, mails);
  await stage.desk.enable(mailboxId);
  return { stage, desk: stage.desk, address, accountId, integrationId, mailboxId };
}

type Full = Awaited<ReturnType<typeof fullMailbox>>;

async function connectedId(stage: AccessDesk, address: string): Promise<string> {
  const found = (await stage.mailboxes()).find(({ emailAddress }) => emailAddress === address);
  return found?.id ?? '';
}

async function figuresOf({ desk: { organizationId } }: Full) {
  const [row] = await query(
    app,
    `select (select count(*)::int from ticket where organization_id = ?) as tickets,
       (select count(distinct subject)::int from message where organization_id = ?) as subjects,
       (select count(*)::int from inbound_message where organization_id = ?) as rows`,
    [organizationId, organizationId, organizationId],
  );
  return row;
}

/** The two ways in which a mailbox goes, and how each comes back. */
const WAYS = [
  {
    way: 'removeMailbox',
    take: ({ stage, mailboxId }: Full) => stage.run('removeMailbox', { mailboxId }),
    back: ({ stage, accountId, address }: Full) =>
      stage.run('addSharedMailbox', { accountId, emailAddress: address }),
  },
  {
    way: 'deleteIntegration',
    take: ({ desk, integrationId }: Full) =>
      desk.request(
        'mutation ($id: ID!) { deleteIntegration(input: { integrationId: $id }) { __typename } }',
        {
          id: integrationId,
        },
      ),
    back: ({ stage, address }: Full) => stage.connect(address),
  },
] as const;

describe.each(WAYS)('$way', ({ take, back }) => {
  test.each(['ARCHIVE', 'AS_NEW'])(
    'connected again and imported %s, what is known stays one, and the rest is taken in',
    async (mode) => {
      const full = await fullMailbox(oldMails.slice(0, 12));
      const { desk, mailboxId, address, stage } = full;
      await importReaches(desk, await askToImport(desk, { mailboxId, mode: 'ARCHIVE' }), 'SUCCEEDED');
      await take(full);
      await leave(app, address, [{ subject: 'Between', receivedDateTime: daysAgo(0, -1) }]);
      await back(full);
      expect(await connectedId(stage, address)).toBe(mailboxId);
      await desk.enable(mailboxId);
      const id = await askToImport(desk, { mailboxId, mode });
      expect(await importReaches(desk, id, 'SUCCEEDED')).toMatchObject({
        created: 1,
        appended: 0,
        failed: 0,
      });
      expect(await figuresOf(full)).toEqual({ tickets: 13, subjects: 13, rows: 13 });
    },
  );

  test('in the midst of an import it ends with the reason; connected again all of it comes, and once', async () => {
    const full = await fullMailbox();
    const { desk, mailboxId } = full;
    const held = graph.hold(LATER_PAGES);
    const id = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
    await eventually('a page is stored', async () => (await importOf(desk, id)).seen >= 100);
    await take(full);
    held.release();
    const ended = await importReaches(desk, id, 'CANCELLED');
    expect(ended).toMatchObject({ problem: { code: 'IMPORT_SETTINGS_CHANGED' }, resumesAt: null });
    expect(ended.seen).toBeLessThan(MAILS);
    expect((await callImport(desk, 'resumeImport', { mailImportId: id })).code).toBe('NOT_FOUND');
    await back(full);
    await desk.enable(mailboxId);
    const again = await askToImport(desk, { mailboxId, mode: 'ARCHIVE' });
    expect(await importReaches(desk, again, 'SUCCEEDED')).toMatchObject({
      seen: MAILS,
      created: MAILS - ended.created,
      failed: 0,
    });
    expect(await figuresOf(full)).toEqual({ tickets: MAILS, subjects: MAILS, rows: MAILS });
  });

  test('an import that is paused ends at once, not when its pause is over', async () => {
    const full = await fullMailbox(oldMails.slice(0, 3));
    const { desk, mailboxId, address } = full;
    await control(app.emulator.url, 'faults', {
      mailbox: address,
      status: 429,
      retryAfterSeconds: 600,
      pathPattern: 'orderby',
      count: 1,
    });
    await importReaches(desk, await askToImport(desk, { mailboxId, mode: 'AS_NEW' }), 'PAUSED');
    await take(full);
    expect(await lastImportOf(desk, mailboxId)).toMatchObject({
      state: 'CANCELLED',
      problem: { code: 'IMPORT_SETTINGS_CHANGED', remedy: expect.stringContaining('importExistingMail') },
      resumesAt: null,
    });
  });
});
