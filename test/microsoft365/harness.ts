import { Writable } from 'node:stream';
import { Organization } from '../../src/access/organization.entity.ts';
import { User } from '../../src/access/user.entity.ts';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts';
import type { Account } from '../../src/microsoft365/account.entity.ts';
import type { OnConnected } from '../../src/microsoft365/complete-sign-in.ts';
import {
  createMicrosoft365,
  type Microsoft365,
  type Microsoft365Deps,
} from '../../src/microsoft365/create-microsoft365.ts';
import type { Integration } from '../../src/microsoft365/integration.entity.ts';
import type { MailboxAccess } from '../../src/microsoft365/mail.ts';
import type { SignInRequest } from '../../src/microsoft365/sign-in.ts';
import { type Clock, systemClock } from '../../src/platform/clock.ts';
import { type Database, forkFor } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createSecretBox } from '../../src/platform/secrets.ts';
import { cloneDatabase, createTestOrganization, type TestDatabase } from '../support/database.ts';

export const CONTOSO = 'contoso.example';
export const PUBLIC_URL = 'http://localhost:4000';
export const CLIENT_SECRET = 'correct-horse-battery-staple';
export const secretBox = createSecretBox([{ name: 'test', key: Buffer.alloc(32, 7) }]);

/** A clock that tests move. */
export class TestClock implements Clock {
  #offset = 0;

  now(): Date {
    return new Date(systemClock.now().getTime() + this.#offset);
  }

  advance(milliseconds: number): void {
    this.#offset += milliseconds;
  }
}

/** An organization with an integration whose app registration the emulator knows, and who may manage it. */
export interface Tenancy {
  organizationId: string;
  userId: string;
  integration: Integration;
}

/** The emulator, a database, and Microsoft 365 between them; everything over HTTP. */
export interface Stage extends AsyncDisposable {
  emulator: Emulator;
  database: Database;
  clock: TestClock;
  microsoft365: Microsoft365;
  /** Every line that was logged. */
  logLines: string[];
  /** Another process on the same database: nothing in memory is shared. */
  anotherProcess(deps?: Partial<Microsoft365Deps>): Microsoft365;
  tenancy(options?: { tenantId?: string; clientSecret?: string }): Promise<Tenancy>;
  /** The answer that the browser brings back when `address` signs in and accepts, or denies. */
  answer(authorizationUrl: string, address: string, decision?: 'accept' | 'deny'): Promise<URL>;
  /** Starts a sign-in, opens its link in a browser, and gives the page of Microsoft. */
  start(tenancy: Tenancy, request?: Partial<SignInRequest>): Promise<string>;
  /** Opens the link of a sign-in in a browser, and gives the page of Microsoft. */
  open(link: string): Promise<string>;
  /** The whole sign-in. */
  connect(tenancy: Tenancy, address: string, request?: Partial<SignInRequest>): Promise<Account>;
  control(method: string, path: string, body?: unknown): Promise<unknown>;
  /** A fresh mailbox, signed in to. */
  mailbox(): Promise<{ access: MailboxAccess; account: Account; tenancy: Tenancy }>;
  /** Puts a mail into the mailbox and gives its immutable id. */
  post(address: string, mail?: Record<string, unknown>): Promise<string>;
}

let serial = 0;

export async function startStage(
  options: { onConnected?: OnConnected; random?: () => number } = {},
): Promise<Stage> {
  const [testDatabase, emulator] = await Promise.all([cloneDatabase(), startEmulator()]);
  return new RunningStage(testDatabase, emulator, options);
}

/** The cookies of the browser, by the state of the sign-in. */
const cookies = new Map<string | null, string>();

/** What `completeSignIn` takes, from the URL that Microsoft redirects to, in the browser that opened the link. */
export function answerOf(url: URL) {
  const read = (name: string) => url.searchParams.get(name);
  return {
    state: read('state'),
    code: read('code'),
    error: read('error'),
    errorDescription: read('error_description'),
    cookie: cookies.get(read('state')) ?? null,
  };
}

class RunningStage implements Stage {
  readonly emulator: Emulator;
  readonly database: Database;
  readonly clock = new TestClock();
  readonly logLines: string[] = [];
  readonly microsoft365: Microsoft365;
  readonly #testDatabase: TestDatabase;
  readonly #options: { onConnected?: OnConnected; random?: () => number };

  constructor(
    testDatabase: TestDatabase,
    emulator: Emulator,
    options: { onConnected?: OnConnected; random?: () => number },
  ) {
    this.#testDatabase = testDatabase;
    this.#options = options;
    this.emulator = emulator;
    this.database = testDatabase.database;
    this.microsoft365 = this.anotherProcess();
  }

  anotherProcess(deps: Partial<Microsoft365Deps> = {}): Microsoft365 {
    const lines = new Writable({
      write: (chunk, _encoding, done) => {
        this.logLines.push(String(chunk));
        done();
      },
    });
    return createMicrosoft365({
      database: this.database,
      secretBox,
      logger: createLogger('trace', lines),
      clock: this.clock,
      publicUrl: PUBLIC_URL,
      loginUrl: this.emulator.loginUrl,
      graphUrl: this.emulator.graphUrl,
      onConnected: async () => undefined,
      ...this.#options,
      ...deps,
    });
  }

  async tenancy({ tenantId = CONTOSO, clientSecret = CLIENT_SECRET } = {}): Promise<Tenancy> {
    serial += 1;
    const clientId = `aaaaaaaa-0000-4000-8000-${String(serial).padStart(12, '0')}`;
    // What is saved must be right at that moment; a wrong secret is one that was changed at Microsoft since.
    await this.control('POST', '/apps', { clientId, secret: clientSecret });
    const organization = await createTestOrganization(this.database);
    const em = forkFor(this.database, organization.id);
    const user = em.create(User, {
      organization: em.getReference(Organization, organization.id, { wrapped: true }),
      name: 'Olive Owner',
      role: 'OWNER',
    });
    await em.flush();
    const { integration } = await this.microsoft365.createIntegration(em, organization.id, {
      cloud: 'GLOBAL',
      authorizationMode: 'DELEGATED',
      tenantId,
      clientId,
      clientSecret,
      certificate: null,
      credentialExpiresAt: null,
    });
    await this.control('POST', '/apps', { clientId, secret: CLIENT_SECRET });
    return { organizationId: organization.id, userId: user.id, integration };
  }

  async start(tenancy: Tenancy, request: Partial<SignInRequest> = {}): Promise<string> {
    const em = forkFor(this.database, tenancy.organizationId);
    const started = await this.microsoft365.startSignIn(em, {
      integrationId: tenancy.integration.id,
      userId: tenancy.userId,
      returnTo: null,
      loginHint: null,
      apiKeyId: null,
      purpose: 'MAIL',
      ...request,
    });
    return await this.open(started.authorizationUrl);
  }

  async open(link: string): Promise<string> {
    const token = new URL(link).pathname.split('/').at(-1) ?? '';
    const { location, cookie } = await this.microsoft365.openSignIn(token, () => null);
    cookies.set(new URL(location).searchParams.get('state'), cookie.value);
    return location;
  }

  async answer(authorizationUrl: string, address: string, decision = 'accept'): Promise<URL> {
    const response = await fetch(`${authorizationUrl}&_account=${address}&_decision=${decision}`, {
      redirect: 'manual',
    });
    const location = response.headers.get('location');
    if (location === null) throw new Error(`no redirect: ${response.status} ${await response.text()}`);
    return new URL(location);
  }

  async connect(tenancy: Tenancy, address: string, request: Partial<SignInRequest> = {}): Promise<Account> {
    const url = await this.answer(await this.start(tenancy, request), address);
    return (await this.microsoft365.completeSignIn(answerOf(url))).account;
  }

  async control(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.emulator.url}/_emulator${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  async mailbox() {
    serial += 1;
    const address = `box${serial}@${CONTOSO}`;
    await this.control('POST', '/mailboxes', { address, displayName: `Box ${serial}` });
    const tenancy = await this.tenancy();
    const account = await this.connect(tenancy, address);
    const { organizationId } = tenancy;
    const access: MailboxAccess = {
      organizationId,
      accountId: account.id,
      emailAddress: address,
      kind: 'PRIMARY',
    };
    return { access, account, tenancy };
  }

  async post(address: string, mail: Record<string, unknown> = {}): Promise<string> {
    const answer = (await this.control('POST', '/mail', {
      to: address,
      from: 'Carol Customer <carol@fabrikam.example>',
      subject: 'Printer on fire',
      text: 'It burns.',
      ...mail,
    })) as { immutableId: string };
    return answer.immutableId;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.emulator.close();
    await this.#testDatabase[Symbol.asyncDispose]();
  }
}
