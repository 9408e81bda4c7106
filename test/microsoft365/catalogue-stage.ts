import { decodeId } from '../../src/graphql/global-id.ts';
import { createMicrosoft365, type Microsoft365 } from '../../src/microsoft365/create-microsoft365.ts';
import { GraphError } from '../../src/microsoft365/graph-error.ts';
import type { MailboxAccess } from '../../src/microsoft365/mail.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { forkAcrossOrganizations } from '../../src/platform/database.ts';
import { createLogger, type Logger } from '../../src/platform/logger.ts';
import { createSecretBox } from '../../src/platform/secrets.ts';
import { type AccessDesk, accessDesk } from '../mailboxes/access-harness.ts';
import { control, freePort, startTestApp, type TestApp } from '../support/app.ts';
import { answerMicrosoft } from '../support/browser.ts';
import { SLOW_MACHINE } from '../support/wait.ts';

/** What somebody was shown of an error. */
export interface Shown {
  code: string;
  remedy: string;
  microsoftCode?: string | null;
  /** The page of the browser, where there is one. */
  page?: string;
}

/** A process that Microsoft can call, in an organization that everything may go wrong for. */
export interface CatalogueStage extends AsyncDisposable {
  app: TestApp;
  desk: AccessDesk;
  /** Lets the emulator answer with a fault until the next call of this; none for none. */
  fault(fault?: Record<string, unknown>): Promise<void>;
  /** Lets the sign-in service refuse with a number or a word of Microsoft. */
  refuse(microsoftCode: string): Promise<void>;
  /** Runs an operation and gives the one field of its answer. */
  ask(operation: string, variables: Record<string, unknown>): Promise<Shown & Record<string, unknown>>;
  /** Makes an integration, or says why not. */
  register(input?: Record<string, unknown>): Promise<Shown & { integration?: { id: string } }>;
  /** Signs in at an integration of its own and gives what the page and the attempt say. */
  signIn(options?: SignInOptions): Promise<Shown>;
  /** Connects a mailbox of its own. */
  mailbox(): Promise<{ mailboxId: string; accountId: string; address: string; access: MailboxAccess }>;
  /** Asks Graph for something on behalf of a mailbox. */
  makeFolder(mailboxId: string): Promise<Shown>;
  /** Another process, with limits that a test can wait for. */
  impatient(options?: { attemptMilliseconds?: number; largestAnswerBytes?: number }): Microsoft365;
}

export interface SignInOptions {
  decision?: 'accept' | 'deny';
  /** Runs when Microsoft has answered and the browser has not come back. */
  between?: (attemptId: string) => Promise<void>;
  /** The cookie that the browser brings in place of its own. */
  cookie?: string;
  address?: string;
  /** Signs in for this account anew. */
  accountId?: string;
}

/** Starts everything, with further environment variables where a test needs some. */
export async function startCatalogueStage(
  logger?: Logger,
  furtherEnv: Record<string, string> = {},
): Promise<CatalogueStage> {
  const port = await freePort();
  const env = { PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}`, ...furtherEnv };
  const app = await startTestApp({}, { env, allClouds: true, ...(logger ? { logger } : {}) });
  const desk = accessDesk(app, await app.newDesk());
  const { emulator } = app;
  const fault: CatalogueStage['fault'] = async (one) => {
    await control(emulator.url, 'faults', undefined, 'DELETE');
    if (one) await control(emulator.url, 'faults', one);
  };
  const ask: CatalogueStage['ask'] = async (operation, variables) => {
    const [answer] = Object.values(await desk.desk.request<Record<string, never>>(operation, variables));
    return answer as never;
  };
  const register: CatalogueStage['register'] = (input = {}) =>
    ask(
      `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) {
         ... on CreateIntegrationPayload { integration { id } } ... on Error { code message remedy } } }`,
      {
        input: {
          tenantId: 'contoso.example',
          clientId: crypto.randomUUID(),
          clientSecret: 'a secret of the test',
          ...input,
        },
      },
    );
  return {
    app,
    desk,
    fault,
    ask,
    register,
    refuse: (microsoftCode) =>
      fault({
        status: 400,
        errorCode: microsoftCode.startsWith('AADSTS') ? 'invalid_request' : microsoftCode,
        message: microsoftCode.startsWith('AADSTS')
          ? `${microsoftCode}: Microsoft says why. Trace ID: 1 Correlation ID: 2`
          : 'Microsoft says nothing.',
        pathPattern: '/oauth2/v2.0/token',
      }),
    async signIn({ decision = 'accept', between, cookie, address = 'sam@contoso.example', accountId } = {}) {
      await fault();
      const start = accountId
        ? { field: 'reauthenticate', type: 'Reauthenticate', input: { accountId } }
        : {
            field: 'startSignIn',
            type: 'StartSignIn',
            input: { integrationId: (await register({ tenantId: 'organizations' })).integration?.id },
          };
      const started = (await ask(
        `mutation ($input: ${start.type}Input!) { ${start.field}(input: $input) {
           ... on ${start.type}Payload { authorizationUrl signInAttempt { id } } ... on Error { message } } }`,
        { input: start.input },
      )) as unknown as { authorizationUrl: string; signInAttempt: { id: string } };
      const answered = await answerMicrosoft(started.authorizationUrl, address, decision);
      await between?.(decodeId('SignInAttempt', started.signInAttempt.id));
      const page = await (await answered.deliver(cookie ?? answered.cookie)).text();
      await fault();
      const { problem } = (await ask(
        'query ($id: ID!) { signInAttempt(id: $id) { problem { code remedy microsoftCode } } }',
        { id: started.signInAttempt.id },
      )) as unknown as { problem: Shown | null };
      return { ...(problem ?? { code: '', remedy: '' }), page };
    },
    async mailbox() {
      await fault();
      const address = await desk.newMailbox();
      const { accountId } = await desk.connect(address, 'MAIL');
      const mailbox = (await desk.mailboxes()).find(({ emailAddress }) => emailAddress === address);
      const access: MailboxAccess = {
        organizationId: desk.desk.organizationId,
        accountId: decodeId('Account', accountId),
        emailAddress: address,
        kind: 'PRIMARY',
      };
      return { mailboxId: mailbox?.id ?? '', accountId, address, access };
    },
    makeFolder: (mailboxId) =>
      ask(
        `mutation ($input: CreateMailFolderInput!) { createMailFolder(input: $input) {
           ... on Error { code message remedy } } }`,
        { input: { mailboxId, displayName: `folder ${crypto.randomUUID()}` } },
      ),
    impatient: (options = {}) =>
      createMicrosoft365({
        database: app.database,
        secretBox: createSecretBox([{ name: 'test', key: Buffer.alloc(32, 7) }]),
        logger: logger ?? createLogger('silent'),
        clock: systemClock,
        publicUrl: app.url,
        loginUrl: `${emulator.loginUrl}/_hosts/{host}`,
        graphUrl: `${emulator.graphUrl}/_hosts/{host}`,
        onConnected: async () => undefined,
        random: () => 0,
        ...options,
      }),
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  };
}

/** What was thrown, as the catalogue tells of it. */
export async function thrownBy(work: Promise<unknown>): Promise<Shown> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof GraphError)) throw new Error(`It did not fail as Graph does: ${String(error)}`);
  return { code: error.code, remedy: error.remedy, microsoftCode: error.microsoftCode };
}

/** Moves a sign-in into the past. */
export async function expireAttempt({ app }: CatalogueStage, attemptId: string): Promise<void> {
  await forkAcrossOrganizations(app.database).execute(
    `update sign_in_attempt set expires_at = now() - interval '1 minute' where id = ?`,
    [attemptId],
  );
}

/** A deadline that no test should meet. */
export const soon = () => AbortSignal.timeout(SLOW_MACHINE);
