import pg from 'pg';
import { createOrganization } from '../../src/access/organizations.ts';
import { type App, type AppOverrides, createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { prepareDatabase } from '../../src/database.ts';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts';
import { type Database, forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { control, createDesk, type Desk, freePort } from '../support/app.ts';
import { cloneDatabase, type TestDatabase } from '../support/database.ts';
import { overheard } from '../support/secret-watch.ts';
import { eventually } from '../support/wait.ts';
import { type Forwarder, startForwarder } from './forwarder.ts';

/** One of several Deskgraph processes on one database, each with its own pools, gates, tokens and worker. */
export interface Process {
  url: string;
  /** Stops it in good order; a second call changes nothing. */
  stop(): Promise<void>;
}

/** Several processes on one database, with one emulator. */
export interface Fleet extends AsyncDisposable {
  emulator: Emulator;
  database: Database;
  databaseUrl: string;
  processes: Process[];
  /** What the processes are reached by from outside, when Microsoft may announce mail to them. */
  forwarder: Forwarder | null;
  /** Starts another process, with these roles. */
  start(roles?: string): Promise<Process>;
  /** Makes an organization with an OWNER; `desk(process)` is its view through one of the processes. */
  newDesk(): Promise<(process: Process) => Desk>;
}

/**
 * Starts an emulator, a database (or takes the one at `databaseUrl`) and one process for each entry of `roles`. With `push`
 * their PUBLIC_URL is a forwarder that goes to each process with the role `api` in turn.
 */
export async function startFleet(
  roles: readonly string[],
  databaseUrl?: string,
  { push = false, ...overrides }: AppOverrides & { push?: boolean } = {},
): Promise<Fleet> {
  const db = databaseUrl === undefined ? await cloneDatabase() : await openExisting(databaseUrl);
  const emulator = await startEmulator();
  const processes: Process[] = [];
  const forwarder = push ? await startForwarder() : null;
  const env: Record<string, string> = forwarder ? { PUBLIC_URL: forwarder.url } : {};
  const start = async (role = 'api,worker') => {
    const started = await startProcess(db.url, emulator, role, env, overrides);
    processes.push(started);
    if (started.url) forwarder?.targets.push(started.url);
    return started;
  };
  for (const role of roles) await start(role);
  return {
    emulator,
    database: db.database,
    databaseUrl: db.url,
    processes,
    forwarder,
    start,
    async newDesk() {
      const { organization, secret } = await createOrganization(
        forkAcrossOrganizations(db.database),
        'Fleet',
      );
      // What is measured is what thousands of mails of few senders become; storms have tests of their own.
      await forkAcrossOrganizations(db.database).execute(
        'update organization set storm_limit = null, ticket_storm_limit = null where id = ?',
        [organization.id],
      );
      return ({ url }) => createDesk(url, emulator, organization.id, secret);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(processes.map((process) => process.stop()));
      await forwarder?.[Symbol.asyncDispose]();
      await emulator.close();
      await db[Symbol.asyncDispose]();
    },
  };
}

async function openExisting(url: string): Promise<TestDatabase> {
  const database = await prepareDatabase(url);
  return { url, database, [Symbol.asyncDispose]: () => database.close(true) };
}

/** Starts one process on a database, with the whole composition root. */
export async function startProcess(
  databaseUrl: string,
  emulator: Pick<Emulator, 'loginUrl' | 'graphUrl'>,
  roles = 'api,worker',
  env: Record<string, string> = {},
  overrides: AppOverrides = {},
): Promise<Process> {
  const config = readConfig({
    PORT: String(await freePort()),
    ...environmentOf(databaseUrl, emulator, roles),
    ...env,
  });
  const app: App = await createApp(
    config,
    overheard(createLogger(process.env['TEST_LOG_LEVEL'] ?? 'silent')),
    overrides,
  );
  let stopping: Promise<void> | undefined;
  return {
    url: app.url ?? '',
    stop() {
      stopping ??= Promise.resolve(app[Symbol.asyncDispose]());
      return stopping;
    },
  };
}

/** The environment of a process on a database; all that is left to say is the port. */
export function environmentOf(
  databaseUrl: string,
  emulator: Pick<Emulator, 'loginUrl' | 'graphUrl'>,
  roles: string,
): Record<string, string> {
  return {
    DATABASE_URL: databaseUrl,
    DESKGRAPH_ROLES: roles,
    DESKGRAPH_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
    DESKGRAPH_ADMIN_KEY: 'dg_test-admin-key-4pTq0vXw7LzR2mKd9sYbHc6NfJ',
    MICROSOFT_LOGIN_URL: emulator.loginUrl,
    MICROSOFT_GRAPH_URL: emulator.graphUrl,
  };
}

/** A fault of the emulator, as its control API takes it. */
export interface FaultInput {
  status?: number;
  errorCode?: string;
  retryAfterSeconds?: number;
  latencyMs?: number;
  reset?: boolean;
  afterwards?: boolean;
  probability?: number;
  pathPattern?: string;
  method?: string;
  mailbox?: string;
  count?: number;
}

/** Sets a fault; `met` waits until it has met so many requests, `clear` takes it away. */
export async function setFault(
  emulatorUrl: string,
  fault: FaultInput,
): Promise<{ met(times?: number): Promise<void>; clear(): Promise<void> }> {
  const { id } = await control<{ id: string }>(emulatorUrl, 'faults', fault);
  return {
    async met(times = 1) {
      await eventually(`the fault meets ${times} requests`, async () => {
        const { faults } = await readFaults(emulatorUrl);
        const found = faults.find((one) => one.id === id);
        return found === undefined || found.happened >= times;
      });
    },
    clear: async () => {
      await control(emulatorUrl, `faults/${id}`, undefined, 'DELETE').catch(() => undefined);
    },
  };
}

async function readFaults(emulatorUrl: string): Promise<{ faults: { id: string; happened: number }[] }> {
  const answer = await control<
    { faults: { id: string; happened: number }[] } | { id: string; happened: number }[]
  >(emulatorUrl, 'faults');
  return Array.isArray(answer) ? { faults: answer } : answer;
}

/** Reads rows past everything, as an administrator with psql would. */
export function rows<Row = Record<string, unknown>>(
  { database }: { database: Database },
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  return forkAcrossOrganizations(database).execute<Row[]>(sql, [...parameters]);
}

/** A connection of the test's own, outside of every pool. */
export async function connect(databaseUrl: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end().catch(() => undefined) });
}

/** Subjects `Mail 0` … for so many mails to `to`. */
export function manyMails(to: string, count: number, prefix = 'Mail'): { to: string; subject: string }[] {
  return Array.from({ length: count }, (_, index) => ({ to, subject: `${prefix} ${index}` }));
}

/** The subjects of the organization's tickets, sorted. */
export async function ticketSubjects(at: { database: Database }, organizationId: string): Promise<string[]> {
  const found = await rows<{ subject: string }>(
    at,
    'select subject from ticket where organization_id = ? order by subject collate "C"',
    [organizationId],
  );
  return found.map(({ subject }) => subject);
}

/** The subjects of {@link manyMails}, sorted. */
export function sortedSubjects(...mails: readonly { subject: string }[][]): string[] {
  return mails
    .flat()
    .map(({ subject }) => subject)
    .sort();
}

/** The states of a mailbox's runs, the oldest first. */
export async function runsOf(
  at: { database: Database },
  mailboxId: string,
): Promise<{ trigger: string; state: string }[]> {
  return rows(at, 'select trigger, state from sync_run where mailbox_id = ? order by created_at, id', [
    rawId(mailboxId),
  ]);
}

/** The UUID inside of a global id. */
export function rawId(globalId: string): string {
  const decoded = Buffer.from(globalId, 'base64url').toString('utf8');
  return /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(decoded)?.[0] ?? globalId;
}

/** Waits until nothing of the mailbox's sync runs or waits. */
export function settled(at: { database: Database }, mailboxId: string): Promise<unknown> {
  return eventually('no run is open', async () =>
    (await runsOf(at, mailboxId)).every(({ state }) => !['QUEUED', 'RUNNING'].includes(state)),
  );
}

/** Asks for a sync and gives the run's id without waiting for its end. */
export async function startSync(desk: Desk, mailboxId: string): Promise<string> {
  const { runSyncNow } = await desk.request<{ runSyncNow: { syncRun: { id: string } } }>(
    `mutation ($id: ID!) { runSyncNow(input: { mailboxId: $id }) { ... on RunSyncNowPayload { syncRun { id } } } }`,
    { id: mailboxId },
  );
  return runSyncNow.syncRun.id;
}

/** Changes incoming settings; throws with the error's message. */
export async function changeSettings(
  desk: Desk,
  mailboxId: string,
  settings: Record<string, unknown>,
): Promise<void> {
  const { updateIncomingSettings } = await desk.request<{
    updateIncomingSettings: { mailbox?: object; message?: string };
  }>(
    `mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) {
       ... on UpdateIncomingSettingsPayload { mailbox { id } } ... on Error { message } } }`,
    { input: { mailboxId, ...settings } },
  );
  if (!updateIncomingSettings.mailbox) throw new Error(updateIncomingSettings.message);
}

/** Makes a folder at the top of the mailbox and gives its id. */
export async function createFolder(desk: Desk, mailboxId: string, displayName: string): Promise<string> {
  const { createMailFolder } = await desk.request<{ createMailFolder: { folder: { id: string } } }>(
    `mutation ($id: ID!, $name: String!) { createMailFolder(input: { mailboxId: $id, displayName: $name }) {
       ... on CreateMailFolderPayload { folder { id } } } }`,
    { id: mailboxId, name: displayName },
  );
  return createMailFolder.folder.id;
}
