import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { MailFolder, Message } from '@microsoft/microsoft-graph-types';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts';
import { findUserByAddress } from '../../src/emulator/state.ts';
import { issueAccessToken } from '../../src/emulator/tokens.ts';

export const IMMUTABLE = { prefer: 'IdType="ImmutableId"' };
const APP_ROLES = ['Mail.ReadWrite', 'Mail.Send'];

/** What Graph and the control API answer, as far as the tests look. */
export interface Body {
  value?: (Message & { '@removed'?: { reason: string } })[];
  responses?: { id: string; status: number; headers: Record<string, string>; body?: Body }[];
  error?: { code: string; message: string; innerError?: Record<string, string> };
  '@odata.nextLink'?: string;
  '@odata.deltaLink'?: string;
  '@odata.count'?: number;
  id?: string;
  totalItemCount?: number;
  unreadItemCount?: number;
  childFolderCount?: number;
}

export interface Answer<T = Body> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Posted {
  id: string;
  immutableId: string;
  internetMessageId: string;
}

export interface MailServer extends AsyncDisposable {
  emulator: Emulator;
  /** An access token for a user with these scopes, or for the application (`null`) with these roles. */
  token(
    address: string | null,
    permissions?: readonly string[],
    options?: { tenant?: string; app?: string },
  ): string;
  /** A fresh mailbox of its own for a test; gives its address. */
  mailbox(options?: Record<string, unknown>): Promise<string>;
  /** Calls Graph as the application of Contoso unless a token is given; `path` may be an absolute link. */
  graph<T = Body>(method: string, path: string, options?: GraphCall): Promise<Answer<T>>;
  control<T = Body>(method: string, path: string, body?: unknown): Promise<Answer<T>>;
  /** Puts a mail into a mailbox. */
  post(to: string, mail?: Record<string, unknown>): Promise<Posted>;
  /** Puts a file of test/fixtures/eml into a mailbox. */
  postEml(to: string, name: string): Promise<Answer<Posted & Body>>;
}

export interface GraphCall {
  body?: unknown;
  headers?: Record<string, string>;
  token?: string;
  /** Breaks the request off. */
  signal?: AbortSignal;
}

/** An emulator on a free port, and the ways tests talk to it: HTTP only, apart from tokens without a sign-in. */
export async function startMailServer(
  options: Parameters<typeof startEmulator>[0] = {},
): Promise<MailServer> {
  const emulator = await startEmulator(options);
  const send = async <T>(method: string, url: string, call: GraphCall): Promise<Answer<T>> => {
    const isText = typeof call.body === 'string' || call.body instanceof Uint8Array;
    const response = await fetch(url, {
      method,
      headers: { 'content-type': isText ? 'text/plain' : 'application/json', ...call.headers },
      ...(call.signal && { signal: call.signal }),
      ...(call.body === undefined
        ? {}
        : { body: isText ? (call.body as string) : JSON.stringify(call.body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson ? JSON.parse(text) : text) as T,
    };
  };
  const server: MailServer = {
    emulator,
    token(address, permissions = APP_ROLES, { tenant = 'contoso.example', app = 'tests' } = {}) {
      const user = address === null ? null : (findUserByAddress(emulator.state, address) ?? null);
      const owner = address === null ? tenant : address.slice(address.indexOf('@') + 1);
      const tenantId = [...emulator.state.tenants.values()].find(({ domain }) => domain === owner)?.id ?? '';
      const grant = { tenantId, user, appId: app };
      return issueAccessToken(emulator.state, {
        ...grant,
        scopes: user === null ? [] : permissions,
        roles: user === null ? permissions : [],
      }).token;
    },
    async mailbox(body = {}) {
      const address = `box-${randomUUID()}@contoso.example`;
      const answer = await server.control('POST', '/mailboxes', { address, ...body });
      if (answer.status !== 201) throw new Error(`no mailbox: ${JSON.stringify(answer.body)}`);
      return address;
    },
    graph(method, path, call = {}) {
      const url = path.startsWith('http') ? path : `${emulator.graphUrl}/v1.0${path}`;
      const authorization = `Bearer ${call.token ?? server.token(null)}`;
      return send(method, url, { ...call, headers: { authorization, ...call.headers } });
    },
    control: (method, path, body) =>
      send(method, `${emulator.url}/_emulator${path}`, body === undefined ? {} : { body }),
    async post(to, mail = {}) {
      const whole = {
        to,
        from: 'Carol Customer <carol@fabrikam.example>',
        subject: 'Help',
        text: 'Please help',
        ...mail,
      };
      const answer = await server.control<Posted>('POST', '/mail', whole);
      if (answer.status !== 201) throw new Error(`not posted: ${JSON.stringify(answer.body)}`);
      return answer.body;
    },
    async postEml(to, name) {
      const body = await readFile(new URL(`../fixtures/eml/${name}`, import.meta.url));
      const headers = { 'content-type': 'message/rfc822' };
      return send('POST', `${emulator.url}/_emulator/mail?to=${encodeURIComponent(to)}`, { body, headers });
    },
    [Symbol.asyncDispose]: () => emulator.close(),
  };
  return server;
}

/** The folder ids of a mailbox by name, through Graph. */
export async function folderId(server: MailServer, address: string, name: string): Promise<string> {
  const { body } = await server.graph<MailFolder>('GET', `/users/${address}/mailFolders/${name}`);
  return body.id ?? '';
}

/** Follows a delta query to its delta link; gives every item of every page and the link. */
export async function deltaRound(
  server: MailServer,
  link: string,
  headers: Record<string, string> = IMMUTABLE,
): Promise<{ items: NonNullable<Body['value']>; deltaLink: string; pages: number }> {
  const items: NonNullable<Body['value']> = [];
  let next: string | undefined = link;
  for (let pages = 1; pages < 1000; pages += 1) {
    const { status, body }: Answer = await server.graph('GET', next, { headers });
    if (status !== 200) throw new Error(`delta answered ${status}: ${JSON.stringify(body)}`);
    items.push(...(body.value ?? []));
    const deltaLink = body['@odata.deltaLink'];
    if (deltaLink !== undefined) return { items, deltaLink, pages };
    next = body['@odata.nextLink'] ?? '';
  }
  throw new Error('The delta query does not end.');
}
