import { control, type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { signInAs } from '../support/browser.ts';

/** A mailbox as the tests of access look at it. */
export interface MailboxView {
  id: string;
  emailAddress: string;
  displayName: string;
  kind: string;
  removedAt: string | null;
  incoming: { enabled: boolean; afterProcessing: string };
  account: { id: string };
}

/** A check of `verifyMailboxAccess`. */
export interface CheckView {
  name: string;
  result: string;
  code: string | null;
  cause: string | null;
  remedy: string | null;
  microsoftCode: string | null;
  requestId: string | null;
}

/** Whatever the mutations answer. */
export interface AccessAnswer {
  __typename: string;
  mailbox?: MailboxView;
  sending?: CheckView;
  checks?: CheckView[];
  code?: string;
  message?: string;
  remedy?: string;
}

const MAILBOX =
  'id emailAddress displayName kind removedAt incoming { enabled afterProcessing } account { id }';
const CHECK = 'name result code cause remedy microsoftCode requestId';
const FIELDS = {
  addSharedMailbox: `mailbox { ${MAILBOX} } sending { ${CHECK} }`,
  removeMailbox: `mailbox { ${MAILBOX} }`,
  verifyMailboxAccess: `checks { ${CHECK} }`,
  createMailFolder: 'folder { id path depth parentId }',
} as const;

/** An organization that connects mailboxes, and Exchange as far as the tests say what it does. */
export interface AccessDesk {
  app: TestApp;
  desk: Desk;
  /** Runs a mutation, by another key than the owner's when one is given. */
  run<Answer = AccessAnswer>(
    name: keyof typeof FIELDS,
    input: Record<string, unknown>,
    apiKey?: string,
  ): Promise<Answer>;
  /** Signs in as somebody, through an integration of its own unless one is given, and gives the account. */
  connect(
    address: string,
    purpose?: string,
    integrationId?: string,
  ): Promise<{ accountId: string; integrationId: string; clientId: string }>;
  /** Makes an integration in application mode and gives the tenant's account. */
  connectTenant(tenantId?: string): Promise<{ accountId: string; integrationId: string; clientId: string }>;
  /** Adds a mailbox to the emulator and gives its address. */
  newMailbox(options?: Record<string, unknown>): Promise<string>;
  exchange<Answer = unknown>(path: string, body: unknown, method?: string): Promise<Answer>;
  mailboxes(): Promise<MailboxView[]>;
}

export async function startAccessDesk(start: () => Promise<TestApp> = startTestApp): Promise<AccessDesk> {
  const app = await start();
  return accessDesk(app, await app.newDesk());
}

/** The same for another organization of the same process. */
export function accessDesk(app: TestApp, desk: Desk): AccessDesk {
  const run: AccessDesk['run'] = async (name, input, apiKey = desk.apiKey) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    const answer = await graphqlRequest<Record<string, unknown>>(
      app.url,
      apiKey,
      `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename
         ... on ${type}Payload { ${FIELDS[name]} } ... on Error { code message remedy } } }`,
      { input },
    );
    return answer[name] as never;
  };
  const accountsOf = async (integrationId: string) => {
    const { node } = await desk.request<{
      node: { accounts: { edges: { node: { id: string; emailAddress: string | null } }[] } };
    }>(
      `query ($id: ID!) { node(id: $id) { ... on Integration {
         accounts(first: 50) { edges { node { id emailAddress } } } } } }`,
      { id: integrationId },
    );
    return node.accounts.edges.map((edge) => edge.node);
  };
  const integrate = async (input: Record<string, unknown>) => {
    const clientId = crypto.randomUUID();
    const { createIntegration } = await desk.request<{
      createIntegration: { integration?: { id: string }; message?: string };
    }>(
      `mutation ($input: CreateIntegrationInput!) { createIntegration(input: $input) {
         ... on CreateIntegrationPayload { integration { id } } ... on Error { message } } }`,
      { input: { clientId, clientSecret: 'a secret of the test', ...input } },
    );
    if (!createIntegration.integration) throw new Error(createIntegration.message);
    return { integrationId: createIntegration.integration.id, clientId };
  };
  return {
    app,
    desk,
    run,
    async connect(address, purpose = 'SHARED_MAILBOXES', known) {
      const { integrationId, clientId } = known
        ? { integrationId: known, clientId: '' }
        : await integrate({ tenantId: 'organizations' });
      const { startSignIn } = await desk.request<{ startSignIn: { authorizationUrl: string } }>(
        `mutation ($input: StartSignInInput!) { startSignIn(input: $input) {
           ... on StartSignInPayload { authorizationUrl } ... on Error { message } } }`,
        { input: { integrationId, purpose } },
      );
      await signInAs(startSignIn.authorizationUrl, address);
      const account = (await accountsOf(integrationId)).find(({ emailAddress }) => emailAddress === address);
      return { accountId: account?.id ?? '', integrationId, clientId };
    },
    async connectTenant(tenantId = 'contoso.example') {
      const { integrationId, clientId } = await integrate({ tenantId, authorizationMode: 'APPLICATION' });
      const [account] = await accountsOf(integrationId);
      return { accountId: account?.id ?? '', integrationId, clientId };
    },
    async newMailbox(options = {}) {
      const address = `box-${crypto.randomUUID().slice(0, 8)}@contoso.example`;
      await control(app.emulator.url, 'mailboxes', { address, ...options });
      return address;
    },
    exchange: (path, body, method = 'POST') => control(app.emulator.url, path, body, method),
    async mailboxes() {
      const { mailboxes } = await desk.request<{ mailboxes: { edges: { node: MailboxView }[] } }>(
        `{ mailboxes(first: 100) { edges { node { ${MAILBOX} } } } }`,
      );
      return mailboxes.edges.map(({ node }) => node);
    },
  };
}

/** The subjects of all tickets of a desk, sorted. */
export async function subjectsOf(desk: Desk): Promise<string[]> {
  const { tickets } = await desk.request<{ tickets: { edges: { node: { subject: string } }[] } }>(
    '{ tickets(first: 100) { edges { node { subject } } } }',
  );
  return tickets.edges.map(({ node }) => node.subject).sort();
}
