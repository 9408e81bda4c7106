import type { Clock } from '../platform/clock.ts';
import type { Database, EntityManager } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import type { SecretBox } from '../platform/secrets.ts';
import type { AccessTokens, AccountReference } from './access-token.ts';
import { noteAccountSignal } from './account-status.ts';
import {
  type AdminConsentAnswer,
  type AdminConsentRequest,
  type CompletedAdminConsent,
  completeAdminConsent,
  startAdminConsent,
} from './admin-consent.ts';
import { type CheckedAccount, checkAccount } from './check-account.ts';
import {
  type CompletedSignIn,
  completeSignIn,
  type OnConnected,
  type SignInAnswer,
} from './complete-sign-in.ts';
import type { CredentialInput } from './credential.ts';
import { createOwnBudget, type GraphBudget } from './graph-budget.ts';
import { createGraphClient, type GraphObserver } from './graph-client.ts';
import { createGraphGate } from './graph-gate.ts';
import { createGraphTransport } from './graph-transport.ts';
import { healAccounts } from './heal-accounts.ts';
import {
  createIntegration,
  type NewIntegration,
  rotateCredential,
  type SavedIntegration,
} from './integrations.ts';
import type { MailApi } from './mail.ts';
import { createMailApi } from './mail-api.ts';
import { createOutgoingFolders } from './mail-copies.ts';
import type { MailSending } from './mail-sending.ts';
import { createMailSending } from './mail-sending-api.ts';
import { createMailboxInspection, type MailboxInspection } from './mailbox-inspection.ts';
import { openAdminConsent } from './open-admin-consent.ts';
import { type OpenedSignIn, openSignIn, type ReadCookie } from './open-sign-in.ts';
import type { PushApi } from './push.ts';
import { createPushApi } from './push-api.ts';
import {
  type ReauthenticationRequest,
  reauthenticate,
  redirectUriOf,
  type SignInRequest,
  type StartedSignIn,
  startSignIn,
} from './sign-in.ts';
import { createAccessTokens } from './tokens.ts';
import { createUploadSessions } from './upload-session.ts';

export interface Microsoft365Deps {
  database: Database;
  secretBox: SecretBox;
  logger: Logger;
  clock: Clock;
  /** Where browsers reach this server, without a trailing slash. */
  publicUrl: string;
  /** Takes the place of the global cloud's sign-in host; null for Microsoft itself. Without a trailing slash. */
  loginUrl: string | null;
  /** Takes the place of the global cloud's Graph host; null for Microsoft itself. Without a trailing slash. */
  graphUrl: string | null;
  /** Runs in the transaction that connects an account; `ensurePrimaryMailbox` belongs here. */
  onConnected: OnConnected;
  /** Runs in a transaction of its own once a new credential has brought an account back; nothing when left out. */
  onHealed?: OnConnected;
  /** What Microsoft grants per mailbox, shared with the other processes; this process alone when left out. */
  budget?: GraphBudget;
  /** For metrics. */
  observer?: GraphObserver;
  /** For tests: how long one request of Graph may take, in milliseconds. */
  attemptMilliseconds?: number;
  /** For tests: how large one answer of Graph may be, in bytes. */
  largestAnswerBytes?: number;
  /** For tests: in [0, 1), decides how long waits between attempts are. */
  random?: () => number;
}

/** Microsoft 365 as the rest of Deskgraph uses it. */
export interface Microsoft365 {
  readonly mail: MailApi;
  readonly sending: MailSending;
  readonly push: PushApi;
  /** Looks at what an account may do with a mailbox. */
  readonly inspection: MailboxInspection;
  readonly tokens: AccessTokens;
  /** What the app registration must list as a redirect URI of the platform Web. */
  readonly redirectUri: string;
  /** See `integrations.ts`. */
  createIntegration(
    em: EntityManager,
    organizationId: string,
    input: NewIntegration,
  ): Promise<SavedIntegration>;
  /** See `integrations.ts`. */
  rotateCredential(
    em: EntityManager,
    integrationId: string,
    input: CredentialInput,
  ): Promise<SavedIntegration>;
  /** See `sign-in.ts`. */
  startSignIn(em: EntityManager, request: SignInRequest): Promise<StartedSignIn>;
  /** See `sign-in.ts`. */
  reauthenticate(em: EntityManager, request: ReauthenticationRequest): Promise<StartedSignIn>;
  /** See `check-account.ts`. */
  checkAccount(reference: AccountReference): Promise<CheckedAccount>;
  /** Graph served the account: ends what stood in the way there, see `account-status-plan.ts`. */
  noteReached(reference: AccountReference): Promise<void>;
  /** See `open-admin-consent.ts`. Throws `SignInError`. */
  openAdminConsent(link: string, readCookie: ReadCookie): Promise<OpenedSignIn>;
  /** See `open-sign-in.ts`. Throws `SignInError`. */
  openSignIn(link: string, readCookie: ReadCookie): Promise<OpenedSignIn>;
  /** See `admin-consent.ts`. */
  startAdminConsent(em: EntityManager, request: AdminConsentRequest): Promise<{ authorizationUrl: string }>;
  /** See `admin-consent.ts`. Throws `SignInError`. */
  completeAdminConsent(answer: AdminConsentAnswer): Promise<CompletedAdminConsent>;
  /** See `complete-sign-in.ts`. Throws `SignInError`. */
  completeSignIn(answer: SignInAnswer): Promise<CompletedSignIn>;
}

/** Wires this folder. One per process: the limits of each mailbox and the tokens in memory are kept here. */
export function createMicrosoft365(deps: Microsoft365Deps): Microsoft365 {
  const { secretBox, clock, loginUrl, graphUrl, publicUrl } = deps;
  const overrides = { loginUrl, graphUrl };
  const random = deps.random ?? Math.random;
  const integrationDeps = { secretBox, clock, overrides, logger: deps.logger };
  const transport = createGraphTransport(overrides);
  const tokens = createAccessTokens({ ...deps, overrides });
  const budget = deps.budget ?? createOwnBudget();
  const gate = createGraphGate(budget);
  budget.attach(gate);
  const client = createGraphClient({
    transport,
    tokens,
    gate,
    budget,
    clock,
    observer: deps.observer ?? {},
    random,
    ...(deps.attemptMilliseconds === undefined ? {} : { attemptMilliseconds: deps.attemptMilliseconds }),
    ...(deps.largestAnswerBytes === undefined ? {} : { largestAnswerBytes: deps.largestAnswerBytes }),
  });
  return {
    mail: createMailApi({ client, clock, random }),
    sending: createMailSending({
      client,
      folders: createOutgoingFolders(),
      uploads: createUploadSessions({
        overrides,
        clock,
        observer: deps.observer ?? {},
        random,
        ...(deps.attemptMilliseconds === undefined ? {} : { rangeMilliseconds: deps.attemptMilliseconds }),
      }),
    }),
    push: createPushApi({ client, clock }),
    inspection: createMailboxInspection(client),
    tokens,
    redirectUri: redirectUriOf(publicUrl),
    createIntegration: (em, organizationId, input) =>
      createIntegration(em, integrationDeps, organizationId, input),
    rotateCredential: async (em, integrationId, input) => {
      const saved = await rotateCredential(em, integrationDeps, integrationId, input);
      await healAccounts({ ...deps, tokens }, saved.integration, 'CREDENTIAL_EXPIRED');
      return saved;
    },
    startSignIn: (em, request) => startSignIn(em, { secretBox, clock, publicUrl }, request),
    reauthenticate: (em, request) => reauthenticate(em, { secretBox, clock, publicUrl }, request),
    checkAccount: (reference) => checkAccount({ ...deps, tokens, transport }, reference),
    noteReached: (reference) => noteAccountSignal(deps.database, reference, { kind: 'REACHED' }, clock.now()),
    openSignIn: (link, readCookie) => openSignIn({ ...deps, overrides }, link, readCookie),
    startAdminConsent: (em, request) => startAdminConsent(em, { clock, publicUrl }, request),
    openAdminConsent: (link, readCookie) => openAdminConsent({ ...deps, overrides }, link, readCookie),
    completeAdminConsent: (answer) => completeAdminConsent({ ...deps, overrides, tokens }, answer),
    completeSignIn: (answer) => completeSignIn({ ...deps, overrides, transport, tokens }, answer),
  };
}
