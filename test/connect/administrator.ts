import { type App, createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { createLogger, type Logger } from '../../src/platform/logger.ts';
import { type AccessDesk, accessDesk, subjectsOf } from '../mailboxes/access-harness.ts';
import { control, freePort, startTestApp, type TestApp } from '../support/app.ts';
import { answerMicrosoft } from '../support/browser.ts';
import { deliver } from '../support/mail.ts';
import { overheard } from '../support/secret-watch.ts';
import { eventually } from '../support/wait.ts';
import type { AccountView, AttemptView } from './harness.ts';

/** An organization of its own, and its administrator with a browser. */
export interface Administrator extends AccessDesk {
  /** Runs any mutation; gives these fields of its payload, or the error's. */
  change<Payload = object>(
    name: string,
    input: Record<string, unknown>,
    fields: string,
  ): Promise<Partial<Payload> & { code?: string; message?: string; remedy?: string }>;
  /** Saves an app registration. Throws what the error says. */
  register(input?: Record<string, unknown>): Promise<{ integrationId: string; clientId: string }>;
  /** Goes through the pages of Microsoft and back, by `startSignIn` or `reauthenticate`. */
  signIn(
    input: { integrationId: string; [field: string]: unknown } | { accountId: string },
    address: string,
    options?: { decision?: 'accept' | 'deny'; between?: () => Promise<unknown>; cookie?: string },
  ): Promise<{
    microsoftUrl: URL;
    status: number;
    location: string | null;
    page: string;
    attempt: AttemptView;
  }>;
  /** Grants an app's permissions for the whole organization, and gives the page at the end. */
  visitConsent(integrationId: string, address: string): Promise<string>;
  account(id: string): Promise<AccountView>;
  /** The id of the mailbox with this address. */
  mailboxId(address: string): Promise<string>;
  /** Delivers a mail, runs a sync that has to succeed, and waits for the ticket: push may have been faster than the run. */
  takeIn(address: string, subject: string): Promise<void>;
}

/** A process that knows its own address, and Microsoft with all its clouds. */
export async function startAdministrators(): Promise<TestApp> {
  const port = await freePort();
  const env = { PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}` };
  return await startTestApp({}, { env, allClouds: true });
}

/** Another process of the installation, configured otherwise. */
export async function anotherProcess(
  { databaseUrl, emulator }: TestApp,
  env: Record<string, string>,
  logger: Logger = createLogger('silent'),
): Promise<App> {
  const config = readConfig({
    PORT: String(await freePort()),
    DATABASE_URL: databaseUrl,
    DESKGRAPH_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
    MICROSOFT_LOGIN_URL: emulator.loginUrl,
    MICROSOFT_GRAPH_URL: emulator.graphUrl,
    ...env,
  });
  return await createApp(config, overheard(logger));
}

/** Makes an organization. */
export async function newAdministrator(app: TestApp): Promise<Administrator> {
  const desk = await app.newDesk();
  const access = accessDesk(app, desk);
  const change: Administrator['change'] = async (name, input, fields) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    const data = await desk.request<Record<string, object>>(
      `mutation ($input: ${type}Input!) { ${name}(input: $input) {
         ... on ${type}Payload { ${fields} } ... on Error { code message remedy } } }`,
      { input },
    );
    return (data[name] ?? {}) as never;
  };
  return {
    ...access,
    change,
    async register(input = {}) {
      const clientId = crypto.randomUUID();
      const { integration, message } = await change<{ integration: { id: string } }>(
        'createIntegration',
        { tenantId: 'contoso.example', clientId, clientSecret: 'a secret of the test', ...input },
        'integration { id }',
      );
      if (!integration) throw new Error(message);
      return { integrationId: integration.id, clientId };
    },
    async signIn(input, address, { decision = 'accept', between, cookie } = {}) {
      const started = await change<{ authorizationUrl: string; signInAttempt: { id: string } }>(
        'accountId' in input ? 'reauthenticate' : 'startSignIn',
        input,
        'authorizationUrl signInAttempt { id }',
      );
      if (!started.authorizationUrl) throw new Error(started.message);
      const answered = await answerMicrosoft(started.authorizationUrl, address, decision);
      await between?.();
      const response = await answered.deliver(cookie);
      const { signInAttempt } = await desk.request<{ signInAttempt: AttemptView }>(
        `query ($id: ID!) { signInAttempt(id: $id) { id status account { id emailAddress }
           problem { code message remedy microsoftCode } } }`,
        { id: started.signInAttempt?.id },
      );
      return {
        microsoftUrl: new URL(answered.microsoftUrl),
        status: response.status,
        location: response.headers.get('location'),
        page: await response.text(),
        attempt: signInAttempt,
      };
    },
    async visitConsent(integrationId, address) {
      const input = { integrationId };
      const started = await change<{ authorizationUrl: string }>(
        'startAdminConsent',
        input,
        'authorizationUrl',
      );
      const answered = await answerMicrosoft(started.authorizationUrl ?? '', address);
      return await (await answered.deliver()).text();
    },
    async account(id) {
      const { node } = await desk.request<{ node: AccountView }>(
        `query ($id: ID!) { node(id: $id) { ... on Account { id emailAddress displayName status grantedScopes
           problem { code message remedy microsoftCode } } } }`,
        { id },
      );
      return node;
    },
    async mailboxId(address) {
      const found = (await access.mailboxes()).find(({ emailAddress }) => emailAddress === address);
      if (!found) throw new Error(`There is no mailbox ${address}.`);
      return found.id;
    },
    async takeIn(address, subject) {
      await deliver(app.emulator.url, { to: address, subject });
      const mailbox = (await access.mailboxes()).find(({ emailAddress }) => emailAddress === address);
      const { state, problem } = await desk.sync(mailbox?.id ?? '');
      if (state !== 'SUCCEEDED') throw new Error(`The run is ${state}: ${problem?.code}`);
      await eventually(`the ticket ${subject}`, async () => (await subjectsOf(desk)).includes(subject));
    },
  };
}

/** Describes an app registration to the emulator, or changes it. */
export const registerAtMicrosoft = (app: TestApp, settings: Record<string, unknown>) =>
  control(app.emulator.url, 'apps', settings);
