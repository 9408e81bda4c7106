import { control, type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { answerMicrosoft } from '../support/browser.ts';

/** Whatever a mutation about accounts answers: the payload's fields, or the error's. */
export interface Answer {
  __typename: string;
  authorizationUrl?: string;
  signInAttempt?: AttemptView;
  account?: AccountView;
  problem?: ProblemView | null;
  code?: string;
  message?: string;
  remedy?: string;
}

export interface ProblemView {
  code: string;
  message: string;
  remedy: string;
  since: string;
  retryAt: string | null;
  microsoftCode: string | null;
  requestId: string | null;
}

export interface AttemptView {
  id: string;
  status: string;
  purpose: string;
  expiresAt: string;
  problem: ProblemView | null;
  account: { id: string; emailAddress: string } | null;
}

export interface AccountView {
  id: string;
  emailAddress: string;
  displayName: string;
  status: string;
  grantedScopes: string[];
  problem: ProblemView | null;
}

const PROBLEM = 'problem { code message remedy since retryAt microsoftCode requestId }';
const ATTEMPT = `id status purpose expiresAt ${PROBLEM} account { id emailAddress }`;
const ACCOUNT = `id emailAddress displayName status grantedScopes ${PROBLEM}`;
const FIELDS: Readonly<Record<string, string>> = {
  startSignIn: `authorizationUrl signInAttempt { ${ATTEMPT} }`,
  reauthenticate: `authorizationUrl signInAttempt { ${ATTEMPT} }`,
  refreshAccount: `account { ${ACCOUNT} } ${PROBLEM}`,
  disconnectAccount: `account { ${ACCOUNT} }`,
};

/** A desk that connects accounts, as an administrator's page does it. */
export interface ConnectDesk extends AsyncDisposable {
  app: TestApp;
  desk: Desk;
  integrationId: string;
  clientId: string;
  run(name: keyof typeof FIELDS, input: Record<string, unknown>, apiKey?: string): Promise<Answer>;
  attempt(id: string, apiKey?: string): Promise<AttemptView | null>;
  account(id: string): Promise<AccountView>;
  /** Adds somebody with a mailbox to the tenant, and gives the address. */
  person(details?: Record<string, unknown>): Promise<string>;
  /** Signs somebody in, and gives the account. */
  connect(address: string, input?: Record<string, unknown>): Promise<AccountView>;
  microsoft<Result>(path: string, body?: unknown): Promise<Result>;
}

/** Registers an app for an organization, and gives the integration. */
export async function newIntegration(desk: Desk, clientId: string = crypto.randomUUID()): Promise<string> {
  const { createIntegration } = await desk.request<{ createIntegration: { integration: { id: string } } }>(
    `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) {
       ... on CreateIntegrationPayload { integration { id } } } }`,
    { input: { tenantId: 'organizations', clientId, clientSecret: 'a secret of the test' } },
  );
  return createIntegration.integration.id;
}

/** Starts everything, with an integration that has a secret of its own. */
export async function startConnectDesk(
  env: Record<string, string> = {},
  options: { isScheduled?: boolean } = {},
): Promise<ConnectDesk> {
  const app = await startTestApp({}, { env, ...options });
  const desk = await app.newDesk();
  const clientId = crypto.randomUUID();
  const integrationId = await newIntegration(desk, clientId);
  const run: ConnectDesk['run'] = async (name, input, apiKey = desk.apiKey) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    const data = await graphqlRequest<Record<string, Answer>>(
      app.url,
      apiKey,
      `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename
         ... on ${type}Payload { ${FIELDS[name]} } ... on Error { code message remedy } } }`,
      { input },
    );
    const answer = data[name];
    if (!answer) throw new Error(`${name} answered nothing.`);
    return answer;
  };
  const attempt: ConnectDesk['attempt'] = async (id, apiKey = desk.apiKey) => {
    const { signInAttempt } = await graphqlRequest<{ signInAttempt: AttemptView | null }>(
      app.url,
      apiKey,
      `query ($id: ID!) { signInAttempt(id: $id) { ${ATTEMPT} } }`,
      { id },
    );
    return signInAttempt;
  };
  const account = async (id: string) => {
    const { node } = await desk.request<{ node: AccountView }>(
      `query ($id: ID!) { node(id: $id) { ... on Account { ${ACCOUNT} } } }`,
      { id },
    );
    return node;
  };
  return {
    app,
    desk,
    integrationId,
    clientId,
    run,
    attempt,
    account,
    async person(details = {}) {
      const address = `person-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
      await control(app.emulator.url, 'mailboxes', { address, ...details });
      return address;
    },
    async connect(address, input = {}) {
      const started = await run('startSignIn', { integrationId, ...input });
      const answered = await (await answerMicrosoft(started.authorizationUrl ?? '', address)).deliver();
      if (!answered.ok) throw new Error(await answered.text());
      const ended = await attempt(started.signInAttempt?.id ?? '');
      return await account(ended?.account?.id ?? '');
    },
    microsoft: (path, body) => control(app.emulator.url, path, body),
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  };
}
