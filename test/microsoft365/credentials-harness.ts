import { createMicrosoft365, type Microsoft365 } from '../../src/microsoft365/create-microsoft365.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createSecretBox } from '../../src/platform/secrets.ts';
import { control, type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { openLink } from '../support/browser.ts';
import type { TestCertificate } from '../support/certificate.ts';

/** Whatever a mutation of integrations answers: the payload's fields, or the error's. */
export interface Answered {
  __typename: string;
  integration?: IntegrationView;
  isCredentialVerified?: boolean;
  authorizationUrl?: string;
  deletedIntegrationId?: string;
  code?: string;
  message?: string;
  remedy?: string;
  field?: string;
}

export interface IntegrationView {
  id: string;
  cloud: string;
  tenantId: string;
  authorizationMode: string;
  credential: {
    kind: string;
    expiresAt: string | null;
    warning: string | null;
    thumbprint: string | null;
    lastAcceptedAt: string | null;
  };
  accounts: { edges: { node: AccountView }[] };
}

export interface AccountView {
  id: string;
  kind: string;
  status: string;
  emailAddress: string | null;
  grantedScopes: string[];
  problem: { code: string; message: string; remedy: string } | null;
}

const INTEGRATION = `id cloud tenantId clientId authorizationMode
  credential { kind expiresAt warning thumbprint lastAcceptedAt }
  accounts { edges { node { id kind status emailAddress grantedScopes problem { code message remedy } } } }`;
const FIELDS: Readonly<Record<string, string>> = {
  createIntegration: `integration { ${INTEGRATION} } isCredentialVerified`,
  rotateCredential: `integration { ${INTEGRATION} } isCredentialVerified`,
  startAdminConsent: 'authorizationUrl',
  startSignIn: 'authorizationUrl',
  deleteIntegration: 'deletedIntegrationId',
};

/** A desk that administers integrations, and Microsoft as far as the tests say what it knows. */
export interface CredentialsDesk {
  app: TestApp;
  desk: Desk;
  /** Runs a mutation of integrations, by another key than the owner's when one is given. */
  run(name: keyof typeof FIELDS, input: Record<string, unknown>, apiKey?: string): Promise<Answered>;
  integration(id: string): Promise<IntegrationView | null>;
  /** Describes an app registration, or changes it, and gives its client id. */
  register(settings: Record<string, unknown>, clientId?: string): Promise<string>;
  /** Opens a page of Microsoft as somebody, decides, and gives where the browser ends up with what it shows. */
  visit(url: string, address: string, decision?: string): Promise<{ status: number; page: string }>;
  microsoft<Answer>(path: string, body?: unknown): Promise<Answer>;
  /** Microsoft 365 as a process that has just started sees it: on the same database, with nothing in memory. */
  anotherProcess(): Microsoft365;
}

export async function startCredentialsDesk(
  options: { isScheduled?: boolean } = {},
): Promise<CredentialsDesk & AsyncDisposable> {
  const app = await startTestApp({}, { allClouds: true, ...options });
  const desk = await app.newDesk();
  const microsoft = <Answer>(path: string, body?: unknown) => control<Answer>(app.emulator.url, path, body);
  return {
    app,
    desk,
    microsoft,
    async run(name, input, apiKey = desk.apiKey) {
      const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
      const answer = await graphqlRequest<Record<string, Answered>>(
        app.url,
        apiKey,
        `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename
           ... on ${type}Payload { ${FIELDS[name]} } ... on Error { code message remedy } } }`,
        { input },
      );
      const answered = answer[name];
      if (!answered) throw new Error(`${name} answered nothing.`);
      return answered;
    },
    async integration(id) {
      const { node } = await desk.request<{ node: IntegrationView | null }>(
        `query ($id: ID!) { node(id: $id) { ... on Integration { ${INTEGRATION} } } }`,
        { id },
      );
      return node;
    },
    async register(settings, clientId = crypto.randomUUID()) {
      await microsoft('apps', { clientId, ...settings });
      return clientId;
    },
    async visit(url, address, decision = 'accept') {
      const { microsoftUrl, cookie } = await openLink(url);
      const choice = `&_account=${encodeURIComponent(address)}&_decision=${decision}`;
      const answer = await fetch(microsoftUrl + choice, { redirect: 'manual' });
      const location = answer.headers.get('location');
      const response = location === null ? answer : await fetch(location, { headers: { cookie } });
      return { status: response.status, page: await response.text() };
    },
    anotherProcess: () =>
      createMicrosoft365({
        database: app.database,
        secretBox: createSecretBox([{ name: 'test', key: Buffer.alloc(32, 7) }]),
        logger: createLogger('silent'),
        clock: systemClock,
        publicUrl: app.url,
        loginUrl: `${app.emulator.loginUrl}/_hosts/{host}`,
        graphUrl: `${app.emulator.graphUrl}/_hosts/{host}`,
        onConnected: async () => undefined,
      }),
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  };
}

/** A certificate as a mutation takes it. */
export function asInput({ certificate, privateKey }: TestCertificate) {
  return { certificate, privateKey };
}
