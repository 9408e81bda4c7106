import { createHash, randomBytes } from 'node:crypto';
import {
  ConfidentialClientApplication,
  type INetworkModule,
  type NetworkRequestOptions,
  type NetworkResponse,
} from '@azure/msal-node';
import { startEmulator } from '../../src/emulator/emulator.ts';
import type { EmulatorState } from '../../src/emulator/state.ts';

export const CONTOSO = '11111111-c0a0-4000-8000-000000000000';
export const APP = 'aaaaaaaa-0000-4000-8000-000000000001';
export const REDIRECT_URI = 'http://localhost:3000/microsoft365/callback?from=test';
export const SCOPES = ['User.Read', 'Mail.ReadWrite', 'https://graph.microsoft.com/Mail.Send'];

/** An emulator on a free port, with the demo tenants, and what a test of its sign-in side asks of it. */
export interface SignInServer extends AsyncDisposable {
  root: string;
  state: EmulatorState;
  /** Signs in as a curl user would, in one request; gives where the answer redirects to. */
  follow(authorizeUrl: string, account: string, decision?: 'accept' | 'deny'): Promise<URL>;
  /** Posts a form to the token endpoint. */
  token(form: Record<string, string>, tenant?: string): Promise<{ status: number; body: TokenBody }>;
  control(path: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  graph(path: string, accessToken: string): Promise<{ status: number; body: GraphBody }>;
}

export interface TokenBody {
  access_token?: string;
  refresh_token?: string;
  id_token?: string;
  scope?: string;
  expires_in?: number;
  error?: string;
  error_description?: string;
  error_codes?: number[];
  suberror?: string;
  correlation_id?: string;
  trace_id?: string;
  timestamp?: string;
  error_uri?: string;
}

export interface GraphBody {
  error?: { code: string; message: string };
  id?: string;
  [property: string]: unknown;
}

export async function startSignInServer(): Promise<SignInServer> {
  const emulator = await startEmulator();
  const { url: root, state } = emulator;
  return {
    root,
    state,
    async follow(authorizeUrl, account, decision = 'accept') {
      const url = new URL(authorizeUrl.replace('https://login.microsoftonline.com', root));
      url.searchParams.set('_account', account);
      url.searchParams.set('_decision', decision);
      const response = await fetch(url, { redirect: 'manual' });
      const location = response.headers.get('location');
      if (location === null) throw new Error(`no redirect: ${response.status} ${await response.text()}`);
      return new URL(location);
    },
    async token(form, tenant = CONTOSO) {
      const response = await fetch(`${root}/${tenant}/oauth2/v2.0/token`, {
        method: 'POST',
        body: new URLSearchParams(form),
      });
      return { status: response.status, body: (await response.json()) as TokenBody };
    },
    async control(path, body) {
      const response = await fetch(`${root}/_emulator${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    async graph(path, accessToken) {
      const headers = { authorization: `Bearer ${accessToken}` };
      const response = await fetch(`${root}/v1.0${path}`, { headers });
      return { status: response.status, body: (await response.json()) as GraphBody };
    },
    [Symbol.asyncDispose]: () => emulator.close(),
  };
}

/** MSAL as it comes, with its real authority; only the transport beneath it goes to the emulator. */
export function msalFor(
  server: SignInServer,
  options: { secret?: string; tenant?: string } = {},
): { client: ConfidentialClientApplication; urls: string[] } {
  const urls: string[] = [];
  const send = async <T>(url: string, init: RequestInit): Promise<NetworkResponse<T>> => {
    urls.push(url);
    const moved = url.replace('https://login.microsoftonline.com', server.root);
    if (moved === url) throw new Error(`MSAL asked somebody else: ${url}`);
    const response = await fetch(moved, init);
    return {
      headers: Object.fromEntries(response.headers),
      body: (await response.json()) as T,
      status: response.status,
    };
  };
  const networkClient: INetworkModule = {
    sendGetRequestAsync: <T>(url: string, request?: NetworkRequestOptions) =>
      send<T>(url, { headers: request?.headers ?? {} }),
    sendPostRequestAsync: <T>(url: string, request?: NetworkRequestOptions) =>
      send<T>(url, { method: 'POST', headers: request?.headers ?? {}, body: request?.body ?? '' }),
  };
  const client = new ConfidentialClientApplication({
    auth: {
      clientId: APP,
      authority: `https://login.microsoftonline.com/${options.tenant ?? 'common'}`,
      clientSecret: options.secret ?? 'any-secret',
    },
    system: { networkClient },
  });
  return { client, urls };
}

/** A verifier and its S256 challenge (RFC 7636). */
export function newPkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

/** The authorize URL that an app without MSAL would send a browser to. */
export function authorizeUrl(
  server: SignInServer,
  rest: Record<string, string> = {},
  tenant = 'common',
): URL {
  const url = new URL(`${server.root}/${tenant}/oauth2/v2.0/authorize`);
  const parameters = {
    client_id: APP,
    response_type: 'code',
    redirect_uri: REDIRECT_URI,
    scope: `openid profile offline_access ${SCOPES.join(' ')}`,
    state: 'the state',
    ...rest,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

/** Signs in and fetches the tokens by hand; gives the form that was sent, to be sent again, and what came. */
export async function signInByHand(
  server: SignInServer,
  account = 'sam@contoso.example',
  rest: Record<string, string> = {},
): Promise<{ form: Record<string, string>; tokens: TokenBody; refreshToken: string; accessToken: string }> {
  const { verifier, challenge } = newPkce();
  const url = authorizeUrl(server, { code_challenge: challenge, code_challenge_method: 'S256', ...rest });
  const answer = await server.follow(url.href, account);
  const form = {
    grant_type: 'authorization_code',
    client_id: APP,
    client_secret: 'any-secret',
    code: answer.searchParams.get('code') ?? '',
    redirect_uri: REDIRECT_URI,
    code_verifier: verifier,
  };
  const { body: tokens } = await server.token(form, 'common');
  return {
    form,
    tokens,
    refreshToken: tokens.refresh_token ?? '',
    accessToken: tokens.access_token ?? '',
  };
}
