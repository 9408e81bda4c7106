import { CryptoProvider } from '@azure/msal-node';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { User } from '../access/user.entity.ts';
import { type Clock, DAY, MINUTE } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { digest, randomToken, type SecretBox } from '../platform/secrets.ts';
import { type EndpointOverrides, loginUrlOf } from './endpoints.ts';
import { getIntegration, openRegistration } from './integrations.ts';
import { createMsal, graphScopes } from './msal.ts';
import { checkReturnTo } from './return-to.ts';
import { SignInAttempt } from './sign-in-attempt.entity.ts';

/** How long a person has to complete a sign-in. */
export const SIGN_IN_MILLISECONDS = 10 * MINUTE;
/** Attempts are kept this long after they are void, so that a late answer learns that it is late. */
const KEEP_MILLISECONDS = DAY;

/** What RFC 5321 allows. What is longer, or half a character, cannot be an address, and some of it no URL either. */
const LONGEST_ADDRESS = 320;

/** Every permission of Graph that a sign-in may ask for, and what for. */
export const PERMISSIONS_ASKED = {
  'User.Read': 'Reads who signed in: the address and name of the account.',
  'Mail.ReadWrite': 'Reads new mail and files it into a folder once it is part of a ticket.',
  'Mail.ReadWrite.Shared': 'The same for shared mailboxes that the account may open; only when asked for.',
} as const;

/** What `startSignIn` is told. */
export interface SignInRequest {
  integrationId: string;
  /** Who starts it; it can be completed as long as this user may manage integrations. */
  userId: string;
  /** Where the browser goes afterwards: a path on this server. */
  returnTo: string | null;
  /** The address that Microsoft's page suggests. */
  loginHint: string | null;
  /** Asks for the right to open shared mailboxes as well. */
  sharedMailboxes: boolean;
}

export interface StartSignInDeps {
  secretBox: SecretBox;
  clock: Clock;
  overrides: EndpointOverrides;
  publicUrl: string;
}

const secretsSchema = z.object({
  verifier: z.string(),
  nonce: z.string(),
  permissions: z.array(z.string()),
});

/** What an attempt keeps to itself until the answer comes. */
export type SignInSecrets = z.infer<typeof secretsSchema>;

/** Where Microsoft sends the browser back to; the app registration must list it, character for character. */
export function redirectUriOf(publicUrl: string): string {
  return `${publicUrl}/api/integrations/microsoft365/callback`;
}

/**
 * Starts an authorization-code flow with PKCE (RFC 7636), state and nonce, and gives the page to open.
 * Throws `NotFoundError` for the integration and `InvalidInputError` for `returnTo`.
 *
 * The state is bound to the user who asked, not to a browser: who calls this is an API client, and the browser that
 * opens the link has no session with us that a cookie could bind. What protects the flow instead: the state is 256 random
 * bits, known to the caller alone, good once and for ten minutes; it can end only in the caller's organization; the code
 * is useless without the verifier that stays here; and `select_account` makes Microsoft name the app to whoever signs in.
 * What remains is that a user may hand the link to somebody else, which is also how an administrator is asked to sign in.
 */
export async function startSignIn(
  em: EntityManager,
  { secretBox, clock, overrides, publicUrl }: StartSignInDeps,
  request: SignInRequest,
): Promise<{ authorizationUrl: string }> {
  const integration = await getIntegration(em, request.integrationId);
  const returnTo = checkReturnTo(request.returnTo, publicUrl);
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
  const state = randomToken();
  const nonce = randomToken();
  const permissions = permissionsFor(request.sharedMailboxes);
  const now = clock.now();
  const id = uuidv7();
  const secrets: SignInSecrets = { verifier, nonce, permissions };
  await em.nativeDelete(SignInAttempt, { expiresAt: { $lt: new Date(now.getTime() - KEEP_MILLISECONDS) } });
  em.create(SignInAttempt, {
    id,
    organization: integration.organization,
    integration,
    user: em.getReference(User, request.userId, { wrapped: true }),
    stateDigest: digest(state),
    sealedSecrets: secretBox.seal(JSON.stringify(secrets), contextOf(id)),
    returnTo,
    expiresAt: new Date(now.getTime() + SIGN_IN_MILLISECONDS),
  });
  await em.flush();
  const url = await createMsal(openRegistration(secretBox, integration), overrides).getAuthCodeUrl({
    scopes: graphScopes(integration.cloud, permissions),
    redirectUri: redirectUriOf(publicUrl),
    state,
    nonce,
    codeChallenge: challenge,
    codeChallengeMethod: 'S256',
    prompt: 'select_account',
    responseMode: 'query',
    // MSAL leaves its own `loginHint` out beside this prompt; Microsoft's page takes both.
    ...(request.loginHint === null
      ? {}
      : { extraQueryParameters: { login_hint: request.loginHint.slice(0, LONGEST_ADDRESS).toWellFormed() } }),
  });
  return { authorizationUrl: loginUrlOf(overrides, url) ?? url };
}

/** Opens what {@link startSignIn} sealed. Throws when it was changed, or the key is unknown. */
export function openSecrets(secretBox: SecretBox, attempt: SignInAttempt): SignInSecrets {
  return secretsSchema.parse(JSON.parse(secretBox.open(attempt.sealedSecrets, contextOf(attempt.id))));
}

function permissionsFor(sharedMailboxes: boolean): string[] {
  return ['User.Read', 'Mail.ReadWrite', ...(sharedMailboxes ? ['Mail.ReadWrite.Shared'] : [])];
}

function contextOf(attemptId: string): string {
  return `sign-in:${attemptId}`;
}
