/*
 * Microsoft's sign-in library, kept to its protocol: the network, the store and the log are ours.
 */
import {
  AuthError,
  ConfidentialClientApplication,
  type INetworkModule,
  LogLevel,
  type NetworkRequestOptions,
  type NetworkResponse,
  type NodeAuthOptions,
} from '@azure/msal-node';
import { SECOND, systemClock } from '../platform/clock.ts';
import { thumbprintSha256Of } from './certificate.ts';
import { CLOUDS, type CloudName } from './clouds.ts';
import type { AppCredential } from './credential.ts';
import { type EndpointOverrides, loginUrlOf } from './endpoints.ts';
import { aadstsNumber, classifyEntraError, type EntraOutcome } from './entra-error.ts';
import { parseRetryAfter } from './graph-retry.ts';

const REQUEST_MILLISECONDS = 20 * SECOND;
/** Where the sign-in service asks for quiet and does not say for how long. */
const USUAL_QUIET = 15 * SECOND;

/** The sign-in service wants to be left alone. MSAL passes its own kind of errors on as they are, and no other. */
export class LoginThrottledError extends AuthError {
  readonly until: Date;

  constructor(until: Date) {
    super('login_throttled', '', 'The sign-in service asked us to slow down.');
    // MSAL's constructor makes every error its own.
    Object.setPrototypeOf(this, LoginThrottledError.prototype);
    this.until = until;
  }
}

/** An app registration with its opened credential. Short-lived: make it, use it, drop it. */
export interface AppRegistration {
  cloud: CloudName;
  tenantId: string;
  clientId: string;
  credential: AppCredential;
}

/**
 * The library for one app registration. It keeps nothing that was not put into its token cache. Until `quietUntil` it gives
 * only what is in there, and otherwise throws {@link LoginThrottledError}.
 */
export function createMsal(
  app: AppRegistration,
  overrides: EndpointOverrides,
  quietUntil: Date | null = null,
): ConfidentialClientApplication {
  return new ConfidentialClientApplication({
    auth: {
      clientId: app.clientId,
      ...credentialOf(app),
      // The real one, even beside an emulator: MSAL refuses authorities without https. Our network redirects.
      authority: `${CLOUDS[app.cloud].loginUrl}/${app.tenantId}`,
    },
    system: {
      networkClient: createNetwork(overrides, quietUntil),
      loggerOptions: {
        // MSAL's lines may hold tokens and addresses at its lower levels; errors reach us as errors.
        loggerCallback: () => undefined,
        logLevel: LogLevel.Error,
        piiLoggingEnabled: false,
      },
      disableInternalRetries: true,
    },
  });
}

/**
 * A certificate signs an assertion (RFC 7523) in place of a secret. The SHA-256 thumbprint names it: with the older one
 * MSAL signs in a way that Microsoft advises against.
 */
function credentialOf({
  credential,
}: AppRegistration): Pick<NodeAuthOptions, 'clientSecret' | 'clientCertificate'> {
  if (credential.kind === 'CLIENT_SECRET') return { clientSecret: credential.clientSecret };
  const { certificate, privateKey } = credential;
  return { clientCertificate: { thumbprintSha256: thumbprintSha256Of(certificate), privateKey } };
}

/** What client credentials are asked with: everything that was granted to the app at Graph. */
export function applicationScopes(cloud: CloudName): string[] {
  return [`${CLOUDS[cloud].graphUrl}/.default`];
}

/**
 * The scopes of a sign-in, in the words of one cloud. Elsewhere than in the global cloud a bare name could be taken for a
 * permission of another Graph.
 */
export function graphScopes(cloud: CloudName, permissions: readonly string[]): string[] {
  return permissions.map((name) => (cloud === 'GLOBAL' ? name : `${CLOUDS[cloud].graphUrl}/${name}`));
}

/** What MSAL or the network below it threw, as far as it can be told apart. */
export interface MsalFailure {
  outcome: EntraOutcome | null;
  /** `AADSTS…`, or OAuth's error word. */
  microsoftCode: string | null;
  correlationId: string | null;
  /** Until when the sign-in service wants to be left alone; null where it did not say so. */
  throttledUntil: Date | null;
}

/** Reads what MSAL threw. Whatever is not a refusal of Entra counts as `UNAVAILABLE`. */
export function readMsalFailure(thrown: unknown): MsalFailure {
  const throttledUntil = thrown instanceof LoginThrottledError ? thrown.until : null;
  if (throttledUntil) {
    return { outcome: 'UNAVAILABLE', microsoftCode: null, correlationId: null, throttledUntil };
  }
  if (!(thrown instanceof AuthError) || /network|endpoints_resolution|openid_config/.test(thrown.errorCode)) {
    return { outcome: 'UNAVAILABLE', microsoftCode: null, correlationId: null, throttledUntil };
  }
  const number = aadstsNumber(thrown.errorMessage);
  return {
    outcome: classifyEntraError(thrown.errorCode, thrown.errorMessage),
    microsoftCode: number === null ? thrown.errorCode || null : `AADSTS${number}`,
    correlationId: thrown.correlationId || null,
    throttledUntil,
  };
}

function createNetwork(overrides: EndpointOverrides, quietUntil: Date | null): INetworkModule {
  const send = async <T>(
    method: 'GET' | 'POST',
    url: string,
    options: NetworkRequestOptions = {},
  ): Promise<NetworkResponse<T>> => {
    const target = loginUrlOf(overrides, url);
    // The client secret travels in these requests.
    if (target === null) throw new Error('A sign-in request would have left the login hosts of Microsoft.');
    if (quietUntil && quietUntil > systemClock.now()) throw new LoginThrottledError(quietUntil);
    const response = await fetch(target, {
      method,
      headers: options.headers ?? {},
      ...(options.body === undefined ? {} : { body: options.body }),
      redirect: 'error',
      signal: AbortSignal.timeout(REQUEST_MILLISECONDS),
    });
    const until = quietAfter(response);
    if (until) throw new LoginThrottledError(until);
    const body: unknown = await response.json();
    if (typeof body === 'object' && body !== null) {
      // With it MSAL would refresh in the background, after its cache was stored: a rotated token would be lost.
      Reflect.deleteProperty(body, 'refresh_in');
    }
    return { status: response.status, headers: Object.fromEntries(response.headers), body: body as T };
  };
  return {
    sendGetRequestAsync: (url, options) => send('GET', url, options),
    sendPostRequestAsync: (url, options) => send('POST', url, options),
  };
}

/**
 * Until when an answer asks for quiet: 429, or 503 with `Retry-After`.
 * https://learn.microsoft.com/entra/msal/dotnet/advanced/exceptions/retry-after
 */
function quietAfter({ status, headers }: Response): Date | null {
  if (status !== 429 && status !== 503) return null;
  const now = systemClock.now();
  const told = parseRetryAfter(headers.get('retry-after'), now) ?? (status === 429 ? USUAL_QUIET : null);
  return told === null ? null : new Date(now.getTime() + told);
}
