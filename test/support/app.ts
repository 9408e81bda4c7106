import { createOrganization } from '../../src/access/organizations.ts';
import { type AppOverrides, createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { EmulatorOptions } from '../../src/emulator/emulator.ts';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger, type Logger } from '../../src/platform/logger.ts';
import { signInAs } from './browser.ts';
import { cloneDatabase } from './database.ts';
import { freePort } from './free-port.ts';
import { overheard, secretWatch } from './secret-watch.ts';
import { eventually, SLOW_MACHINE } from './wait.ts';

export { freePort };

/** A whole Deskgraph process in the test's own, with an emulator and a database of its own. */
export interface TestApp extends AsyncDisposable {
  url: string;
  emulator: Emulator;
  database: Database;
  databaseUrl: string;
  /** Makes an organization with an OWNER. */
  newDesk(name?: string): Promise<Desk>;
}

/** An organization as its owner's program sees it: everything through the public API. */
export interface Desk {
  organizationId: string;
  apiKey: string;
  /** Sends an operation; throws with the first top-level error. */
  request<Data = Record<string, never>>(query: string, variables?: Record<string, unknown>): Promise<Data>;
  /**
   * Adds a mailbox to the emulator, connects it by signing in, and gives its id. With `sends` the account may send
   * (purpose SENDING) and outgoing mail is switched on; with the bare purpose it is not.
   */
  connectMailbox(
    address?: string,
    options?: { sends?: boolean } | 'MAIL' | 'SENDING',
  ): Promise<{ mailboxId: string; address: string }>;
  /** Takes the limits of storms away, for who sends more from one sender than people ever do. */
  withoutStormLimits(): Promise<void>;
  /** Enables incoming mail, with whatever else the settings say, and waits for the first run to end. */
  enable(mailboxId: string, settings?: Record<string, unknown>): Promise<void>;
  /** Runs a sync and waits for its end. */
  sync(mailboxId: string): Promise<SyncRunResult>;
}

export interface SyncRunResult {
  id: string;
  state: string;
  seen: number;
  created: number;
  appended: number;
  ignored: number;
  failed: number;
  requests: number;
  problem: { code: string; remedy: string } | null;
}

/** At random at its end: of words in base64 there are some in the fonts of GraphiQL. */
const ADMIN_KEY = 'dg_test-admin-key-4pTq0vXw7LzR2mKd9sYbHc6NfJ';
const RUN_FIELDS = 'id state seen created appended ignored failed requests problem { code remedy }';

/** What a test may set of the process besides what it needs to run. */
export interface TestAppOptions {
  /** Where the process logs to; by `TEST_LOG_LEVEL` to the terminal when left out. */
  logger?: Logger;
  /** More environment variables. */
  env?: Record<string, string>;
  /** By which the process goes instead of the machine's. */
  clock?: Clock;
  /** What else takes the place of the real thing. */
  overrides?: Omit<AppOverrides, 'clock'>;
  /** False where nothing shall happen by itself at the full minute. */
  isScheduled?: boolean;
  /** Sends the requests for every cloud of Microsoft to the emulator, and not those for the global one alone. */
  allClouds?: boolean;
}

/** Starts everything: call it once per file, in `beforeAll`, and dispose of it in `afterAll`. */
export async function startTestApp(
  emulatorOptions: EmulatorOptions = {},
  { logger, env = {}, clock, overrides = {}, isScheduled = true, allClouds = false }: TestAppOptions = {},
): Promise<TestApp> {
  const db = await cloneDatabase();
  const emulator = await startEmulator(emulatorOptions);
  const environment = {
    PORT: String(await freePort()),
    DATABASE_URL: db.url,
    DESKGRAPH_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
    DESKGRAPH_ADMIN_KEY: ADMIN_KEY,
    MICROSOFT_LOGIN_URL: `${emulator.loginUrl}${allClouds ? '/_hosts/{host}' : ''}`,
    MICROSOFT_GRAPH_URL: `${emulator.graphUrl}${allClouds ? '/_hosts/{host}' : ''}`,
    ...env,
  };
  secretWatch().learnEnvironment(environment);
  const app = await createApp(
    readConfig(environment),
    overheard(logger ?? createLogger(process.env['TEST_LOG_LEVEL'] ?? 'silent')),
    { isScheduled, ...overrides, ...(clock && { clock }) },
  );
  const url = app.url ?? '';
  return {
    url,
    emulator,
    database: db.database,
    databaseUrl: db.url,
    async newDesk(name = 'Desk') {
      const { organization, secret } = await createOrganization(forkAcrossOrganizations(db.database), name);
      return createDesk(url, emulator, organization.id, secret);
    },
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]();
      await emulator.close();
      await db[Symbol.asyncDispose]();
    },
  };
}

/** The owner's view of an organization of a server at `url`. */
export function createDesk(
  url: string,
  emulator: Pick<Emulator, 'url'>,
  organizationId: string,
  apiKey: string,
): Desk {
  const request = <Data>(query: string, variables: Record<string, unknown> = {}) =>
    graphqlRequest<Data>(url, apiKey, query, variables);
  const sync = async (mailboxId: string) => {
    const { runSyncNow } = await request<{ runSyncNow: { syncRun?: { id: string }; message?: string } }>(
      `mutation ($id: ID!) { runSyncNow(input: { mailboxId: $id }) {
         ... on RunSyncNowPayload { syncRun { id } } ... on Error { message } } }`,
      { id: mailboxId },
    );
    if (!runSyncNow.syncRun) throw new Error(runSyncNow.message);
    return waitForRun(request, runSyncNow.syncRun.id);
  };
  return {
    organizationId,
    apiKey,
    request,
    sync,
    async connectMailbox(address = `desk-${crypto.randomUUID().slice(0, 8)}@contoso.example`, options = {}) {
      const sends = typeof options === 'object' && options.sends === true;
      const purpose = typeof options === 'string' ? options : sends ? 'SENDING' : 'MAIL';
      await control(emulator.url, 'mailboxes', { address });
      const { createIntegration } = await request<{
        createIntegration: { integration?: { id: string }; message?: string };
      }>(
        `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) {
           ... on CreateIntegrationPayload { integration { id } } ... on Error { message } } }`,
        {
          input: {
            tenantId: 'organizations',
            clientId: crypto.randomUUID(),
            clientSecret: 'a secret of the test',
          },
        },
      );
      const integrationId = createIntegration.integration?.id;
      const { startSignIn } = await request<{ startSignIn: { authorizationUrl?: string; message?: string } }>(
        `mutation ($input: StartSignInInput!) { startSignIn(input: $input) {
           ... on StartSignInPayload { authorizationUrl } ... on Error { message } } }`,
        { input: { integrationId, purpose } },
      );
      if (!startSignIn.authorizationUrl) throw new Error(createIntegration.message ?? startSignIn.message);
      await signInAs(startSignIn.authorizationUrl, address);
      const { mailboxes } = await request<{
        mailboxes: { edges: { node: { id: string; emailAddress: string } }[] };
      }>('{ mailboxes(first: 100) { edges { node { id emailAddress } } } }');
      const mailbox = mailboxes.edges.find(({ node }) => node.emailAddress === address)?.node;
      if (!mailbox) throw new Error(`The mailbox ${address} was not connected.`);
      if (sends) await enableSending(request, mailbox.id);
      return { mailboxId: mailbox.id, address };
    },
    async withoutStormLimits() {
      const { updateMailSettings } = await request<{ updateMailSettings: { message?: string } }>(
        `mutation { updateMailSettings(input: { stormLimitPerSender: null, stormLimitPerTicket: null }) {
           ... on Error { message } } }`,
      );
      if (updateMailSettings.message) throw new Error(updateMailSettings.message);
    },
    async enable(mailboxId, settings = {}) {
      const { updateIncomingSettings } = await request<{
        updateIncomingSettings: { mailbox?: object; message?: string };
      }>(
        `mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) {
           ... on UpdateIncomingSettingsPayload { mailbox { id } } ... on Error { message } } }`,
        { input: { mailboxId, enabled: true, intervalMinutes: 'MINUTES_60', ...settings } },
      );
      if (!updateIncomingSettings.mailbox) throw new Error(updateIncomingSettings.message);
      await sync(mailboxId);
    },
  };
}

async function enableSending(request: Desk['request'], mailboxId: string): Promise<void> {
  const { updateOutgoingSettings } = await request<{ updateOutgoingSettings: { message?: string } }>(
    `mutation ($id: ID!) { updateOutgoingSettings(input: { mailboxId: $id, enabled: true }) {
       ... on Error { message } } }`,
    { id: mailboxId },
  );
  if (updateOutgoingSettings.message) throw new Error(updateOutgoingSettings.message);
}

/** Waits until a run has ended, and gives its figures. Some have thousands of mails to read on a busy machine. */
export function waitForRun(request: Desk['request'], id: string): Promise<SyncRunResult> {
  return eventually('the sync run ends', async () => {
    const { node } = await request<{ node: SyncRunResult }>(
      `query ($id: ID!) { node(id: $id) { ... on SyncRun { ${RUN_FIELDS} } } }`,
      { id },
    );
    return !['QUEUED', 'RUNNING'].includes(node.state) && node;
  });
}

/** Sends one operation over HTTP; throws with the first top-level error. */
export async function graphqlRequest<Data>(
  url: string,
  apiKey: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Data> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(SLOW_MACHINE),
  });
  const { data, errors } = (await response.json()) as { data?: Data; errors?: { message: string }[] };
  if (errors?.[0] || !data) {
    throw new Error(`${errors?.[0]?.message ?? `HTTP ${response.status}`} (${query.trim().slice(0, 80)} …)`);
  }
  return data;
}

/** Calls the emulator's control API. */
export async function control<Answer = unknown>(
  emulatorUrl: string,
  path: string,
  body?: unknown,
  method = body === undefined ? 'GET' : 'POST',
): Promise<Answer> {
  const response = await fetch(`${emulatorUrl}/_emulator/${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  if (!response.ok)
    throw new Error(`The emulator refused ${path}: ${response.status} ${await response.text()}`);
  return (response.status === 204 ? null : await response.json()) as Answer;
}
