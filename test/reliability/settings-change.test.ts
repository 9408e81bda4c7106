import { afterAll, beforeAll, expect, test } from 'vitest';
import { control, type Desk } from '../support/app.ts';
import { deliverMany } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import {
  changeSettings,
  connect,
  createFolder,
  type Fleet,
  manyMails,
  rawId,
  rows,
  runsOf,
  setFault,
  settled,
  sortedSubjects,
  startFleet,
  startSync,
  ticketSubjects,
} from './harness.ts';

/** The worker reads, and another process changes the settings: its requests do not wait behind the page that is held. */
let fleet: Fleet;
beforeAll(async () => {
  fleet = await startFleet(['api', 'worker']);
  await control(fleet.emulator.url, 'settings', { concurrentRequests: 50 });
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

async function enabledDesk(): Promise<{ desk: Desk; mailboxId: string; address: string }> {
  const [api] = fleet.processes;
  if (!api) throw new Error('no process');
  const desk = (await fleet.newDesk())(api);
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  return { desk, mailboxId, address };
}

/**
 * Starts a sync whose second page is held by the emulator until the hold is cleared, and waits until the first is stored and
 * the second is asked for.
 */
async function syncHeldBetweenPages(desk: Desk, mailboxId: string, address: string) {
  const hold = await setFault(fleet.emulator.url, {
    latencyMs: 60_000,
    pathPattern: 'skiptoken',
    mailbox: address,
    count: 1,
  });
  await startSync(desk, mailboxId);
  await hold.met();
  // The next page is asked for while the first is being stored.
  await eventually('the first page is stored', async () => {
    return (await ticketSubjects(fleet, desk.organizationId)).length === 100;
  });
  return hold;
}

test('switched off between pages: what was stored stays, nothing more comes, and the run ends', async () => {
  const { desk, mailboxId, address } = await enabledDesk();
  await deliverMany(fleet.emulator.url, manyMails(address, 250));
  const hold = await syncHeldBetweenPages(desk, mailboxId, address);
  const before = (await ticketSubjects(fleet, desk.organizationId)).length;
  await changeSettings(desk, mailboxId, { enabled: false });
  await hold.clear();
  await settled(fleet, mailboxId);
  expect(before).toBe(100);
  expect((await ticketSubjects(fleet, desk.organizationId)).length).toBe(100);
  expect((await runsOf(fleet, mailboxId)).at(-1)).toEqual({ trigger: 'MANUAL', state: 'SUCCEEDED' });
  const [state] = await rows(fleet, 'select next_poll_at from sync_state where mailbox_id = ?', [
    rawId(mailboxId),
  ]);
  expect(state).toEqual({ next_poll_at: null });
});

test('switched off and on again between pages: the run goes on, what came in between is left alone, nothing loops', async () => {
  const { desk, mailboxId, address } = await enabledDesk();
  const first = manyMails(address, 250);
  await deliverMany(fleet.emulator.url, first);
  const hold = await syncHeldBetweenPages(desk, mailboxId, address);
  await changeSettings(desk, mailboxId, { enabled: false });
  await changeSettings(desk, mailboxId, { enabled: true });
  await hold.clear();
  await settled(fleet, mailboxId);
  const known = await ticketSubjects(fleet, desk.organizationId);
  expect(known.length).toBeGreaterThanOrEqual(100);
  const later = manyMails(address, 3, 'Later');
  // Exchange's times have whole seconds, and the mark of enabling is a whole second as well: these are after it.
  await deliverMany(fleet.emulator.url, later);
  await desk.sync(mailboxId);
  expect(await ticketSubjects(fleet, desk.organizationId)).toEqual(
    [...sortedSubjects(later), ...known].sort(),
  );
  const runs = await runsOf(fleet, mailboxId);
  expect(runs.filter(({ trigger }) => trigger === 'RECOVERY').length).toBeLessThanOrEqual(1);
  expect(runs.every(({ state }) => state === 'SUCCEEDED')).toBe(true);
});

test('another folder chosen between pages: nothing more of the old one becomes a ticket, the new one is read, nothing loops', async () => {
  const { desk, mailboxId, address } = await enabledDesk();
  const folderId = await createFolder(desk, mailboxId, 'Support');
  await deliverMany(fleet.emulator.url, manyMails(address, 250, 'Old folder'));
  const hold = await syncHeldBetweenPages(desk, mailboxId, address);
  await changeSettings(desk, mailboxId, { folderId });
  const wanted = manyMails(address, 5, 'New folder');
  await control(
    fleet.emulator.url,
    'mail',
    wanted.map((mail) => ({
      ...mail,
      from: 'Carol <carol@fabrikam.example>',
      text: 'Hello',
      folder: folderId,
    })),
  );
  await hold.clear();
  await settled(fleet, mailboxId);
  await desk.sync(mailboxId);
  const subjects = await ticketSubjects(fleet, desk.organizationId);
  expect(subjects.filter((subject) => subject.startsWith('New'))).toEqual(sortedSubjects(wanted));
  expect(subjects.filter((subject) => subject.startsWith('Old')).length).toBe(100);
  const runs = await runsOf(fleet, mailboxId);
  expect(runs.length).toBeLessThanOrEqual(6);
  expect(runs.every(({ state }) => state === 'SUCCEEDED')).toBe(true);
  const [state] = await rows<{ folder_id: string }>(
    fleet,
    'select folder_id from sync_state where mailbox_id = ?',
    [rawId(mailboxId)],
  );
  expect(state?.folder_id).toBe(folderId);
});

test('a page that Microsoft takes long for keeps nobody from the folders of the mailbox', async () => {
  const { desk, mailboxId, address } = await enabledDesk();
  await deliverMany(fleet.emulator.url, manyMails(address, 250));
  const hold = await syncHeldBetweenPages(desk, mailboxId, address);
  const pagesAsked = async () => {
    const { operations } = await control<{ operations: Record<string, number> }>(
      fleet.emulator.url,
      `requests?mailbox=${address}`,
    );
    return operations['GET /me/mailFolders/{id}/messages/delta'];
  };
  const before = await pagesAsked();
  // The page is asked for by the worker, the folders by the API: they share the requests that Microsoft allows at a time.
  const { node } = await desk.request<{ node: { folders: { displayName: string }[] } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { folders { displayName } } } }',
    { id: mailboxId },
  );
  expect(node.folders.map(({ displayName }) => displayName)).toContain('Inbox');
  // It still waits: had it been given up meanwhile, it would have been asked for again.
  expect(await pagesAsked()).toBe(before);
  await hold.clear();
  await settled(fleet, mailboxId);
  expect(await ticketSubjects(fleet, desk.organizationId)).toHaveLength(250);
});

test('there and back again between pages: the old folder is read to its end, each mail once', async () => {
  const { desk, mailboxId, address } = await enabledDesk();
  const [inbox] = await rows<{ id: string }>(fleet, `select folder->>'id' as id from mailbox where id = ?`, [
    rawId(mailboxId),
  ]);
  const folderId = await createFolder(desk, mailboxId, 'Elsewhere');
  await deliverMany(fleet.emulator.url, manyMails(address, 250));
  const hold = await syncHeldBetweenPages(desk, mailboxId, address);
  await changeSettings(desk, mailboxId, { folderId });
  await changeSettings(desk, mailboxId, { folderId: inbox?.id });
  const later = manyMails(address, 3, 'Later');
  await deliverMany(fleet.emulator.url, later);
  await hold.clear();
  await settled(fleet, mailboxId);
  await desk.sync(mailboxId);
  const subjects = await ticketSubjects(fleet, desk.organizationId);
  expect(subjects.filter((subject) => subject.startsWith('Later'))).toEqual(sortedSubjects(later));
  expect(new Set(subjects).size).toBe(subjects.length);
});

test('once the settings are saved, not even a page that is being stored right now brings another ticket', async () => {
  const { desk, mailboxId, address } = await enabledDesk();
  await deliverMany(fleet.emulator.url, manyMails(address, 20));
  await using blocker = await connect(fleet.databaseUrl);
  await blocker.query('begin');
  await blocker.query('select from organization where id = $1 for no key update', [desk.organizationId]);
  await startSync(desk, mailboxId);
  await eventually('the page is being stored', async () => {
    const waiting = await rows(
      fleet,
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return waiting.length > 0;
  });
  let ticketsWhenSaved: number | undefined;
  const saved = changeSettings(desk, mailboxId, { enabled: false }).then(async () => {
    ticketsWhenSaved = (await ticketSubjects(fleet, desk.organizationId)).length;
  });
  const early = await Promise.race([
    saved.then(() => 'saved'),
    eventually('the save waits', async () => {
      const waiting = await rows(
        fleet,
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return waiting.length > 1 && 'waits';
    }),
  ]);
  await blocker.query('commit');
  await saved;
  await settled(fleet, mailboxId);
  expect({ early, after: (await ticketSubjects(fleet, desk.organizationId)).length }).toEqual({
    early: 'waits',
    after: ticketsWhenSaved,
  });
});
