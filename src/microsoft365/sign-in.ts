import { CryptoProvider } from '@azure/msal-node';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { User } from '../access/user.entity.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { type Clock, DAY, MINUTE } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { digest, randomToken, type SecretBox } from '../platform/secrets.ts';
import { Account } from './account.entity.ts';
import type { Integration } from './integration.entity.ts';
import { getIntegration } from './integrations.ts';
import { checkPersonalPurpose, PERSONAL_TENANT } from './personal-accounts.ts';
import { checkReturnTo } from './return-to.ts';
import { SignInAttempt } from './sign-in-attempt.entity.ts';
import { permissionsFor, type SignInPurpose } from './sign-in-purpose.ts';

/** How long a person has to complete a sign-in. */
export const SIGN_IN_MILLISECONDS = 10 * MINUTE;
/** Attempts are kept this long after they are void: for a late answer, and for whoever asks what became of one. */
const KEEP_MILLISECONDS = DAY;

/** What RFC 5321 allows. What is longer, or half a character, cannot be an address, and some of it no URL either. */
const LONGEST_ADDRESS = 320;

/** Who starts a sign-in; it can be completed as long as this user may manage integrations, by a key that is good. */
export interface SignInStarter {
  userId: string;
  /** Null for the machine itself. */
  apiKeyId: string | null;
}

/** What `startSignIn` is told. */
export interface SignInRequest extends SignInStarter {
  integrationId: string;
  /** What permissions are asked for beside those that the account has. */
  purpose: SignInPurpose;
  /** Where the browser goes afterwards: a path on this server. */
  returnTo: string | null;
  /** The address that Microsoft's page suggests. */
  loginHint: string | null;
}

/** What `reauthenticate` is told. */
export interface ReauthenticationRequest extends SignInStarter {
  accountId: string;
  purpose: SignInPurpose;
  returnTo: string | null;
}

/** A sign-in that waits for a browser. */
export interface StartedSignIn {
  /** The page to open: ours, which goes on to Microsoft's. */
  authorizationUrl: string;
  attempt: SignInAttempt;
}

export interface StartSignInDeps {
  secretBox: SecretBox;
  clock: Clock;
  publicUrl: string;
}

const secretsSchema = z.object({
  state: z.string(),
  verifier: z.string(),
  challenge: z.string(),
  nonce: z.string(),
  permissions: z.array(z.string()),
  loginHint: z.string().nullable(),
});

/** What an attempt keeps to itself until the answer comes. */
export type SignInSecrets = z.infer<typeof secretsSchema>;

/** Where Microsoft sends the browser back to; the app registration must list it, character for character. */
export function redirectUriOf(publicUrl: string): string {
  return `${publicUrl}/api/integrations/microsoft365/callback`;
}

/**
 * Starts an authorization-code flow with PKCE (RFC 7636), state and nonce, and gives the page to open: a link of ours, which
 * `open-sign-in.ts` answers. An account of the integration whose address is the hint keeps the permissions that it has.
 * Throws `NotFoundError` for the integration and `InvalidInputError` for `returnTo` and for an integration without people.
 *
 * Who calls this is an API client, and who signs in is a browser that has no session with us. So the link, which only we
 * can answer, gives the first browser that opens it a cookie, and the answer of Microsoft is taken from that browser alone
 * (RFC 9700, 4.7): an answer that somebody else obtained cannot be slipped to a person, nor a person's be used elsewhere.
 * Besides, it is bound to the user and the key that started it, good once and for ten minutes, and ends in the caller's
 * organization only; the code is useless without the verifier that stays here; and `select_account` makes Microsoft name
 * the app to whoever signs in. The link may be handed on before it is opened: that is how an administrator is asked.
 */
export async function startSignIn(
  em: EntityManager,
  deps: StartSignInDeps,
  request: SignInRequest,
): Promise<StartedSignIn> {
  const { integrationId, purpose, returnTo, userId, apiKeyId } = request;
  const integration = await getIntegration(em, integrationId);
  const loginHint = request.loginHint?.slice(0, LONGEST_ADDRESS).toWellFormed() ?? null;
  // A hint and no more: whoever signs in keeps what is theirs, see `complete-sign-in.ts`.
  const known =
    loginHint === null
      ? null
      : await em.findOne(Account, {
          integration: integrationId,
          emailAddress: loginHint.trim().toLowerCase().replaceAll('\u0000', ''),
        });
  const permissions = permissionsFor(purpose, known?.grantedScopes);
  const starter = { userId, apiKeyId };
  return await begin(em, deps, {
    integration,
    purpose,
    permissions,
    loginHint,
    returnTo,
    starter,
    account: null,
  });
}

/**
 * As {@link startSignIn} for an account that is known: the page suggests its address, and who else comes back is refused
 * with `USER_MISMATCH`. It asks for what the account has and what `purpose` needs besides. Throws `NotFoundError`, and
 * `InvalidInputError` for `returnTo` and for the account of a tenant.
 */
export async function reauthenticate(
  em: EntityManager,
  deps: StartSignInDeps,
  request: ReauthenticationRequest,
): Promise<StartedSignIn> {
  const { accountId, purpose, returnTo, userId, apiKeyId } = request;
  const account = await em.findOne(Account, { id: accountId });
  if (!account) throw new NotFoundError('The account');
  const integration = await getIntegration(em, account.integration.id);
  const permissions = permissionsFor(purpose, account.grantedScopes);
  const starter = { userId, apiKeyId };
  const loginHint = account.emailAddress;
  return await begin(em, deps, { integration, purpose, permissions, loginHint, returnTo, starter, account });
}

interface Beginning {
  integration: Integration;
  purpose: SignInPurpose;
  permissions: string[];
  loginHint: string | null;
  returnTo: string | null;
  starter: SignInStarter;
  account: Account | null;
}

async function begin(
  em: EntityManager,
  { secretBox, clock, publicUrl }: StartSignInDeps,
  { integration, purpose, permissions, loginHint, returnTo, starter, account }: Beginning,
): Promise<StartedSignIn> {
  if (account?.kind === 'TENANT' || integration.authorizationMode === 'APPLICATION') {
    throw new InvalidInputError(
      account ? 'accountId' : 'integrationId',
      account
        ? 'The account is a tenant: nobody signs in to it.'
        : 'The integration acts for its tenant: nobody signs in to it.',
      'Let an administrator of the tenant open the page of startAdminConsent.',
    );
  }
  if (integration.tenantId === 'consumers' || account?.microsoftTenantId === PERSONAL_TENANT) {
    checkPersonalPurpose(purpose);
  }
  const checkedReturnTo = checkReturnTo(returnTo, publicUrl);
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
  const state = randomToken();
  const link = randomToken();
  const now = clock.now();
  const id = uuidv7();
  const secrets: SignInSecrets = {
    state,
    verifier,
    challenge,
    nonce: randomToken(),
    permissions,
    loginHint,
  };
  await em.nativeDelete(SignInAttempt, { expiresAt: { $lt: new Date(now.getTime() - KEEP_MILLISECONDS) } });
  const attempt = em.create(SignInAttempt, {
    id,
    organization: integration.organization,
    integration,
    purpose,
    account,
    user: em.getReference(User, starter.userId, { wrapped: true }),
    apiKeyId: starter.apiKeyId,
    linkDigest: digest(link),
    stateDigest: digest(state),
    sealedSecrets: secretBox.seal(JSON.stringify(secrets), contextOf(id)),
    returnTo: checkedReturnTo,
    expiresAt: new Date(now.getTime() + SIGN_IN_MILLISECONDS),
  });
  await em.flush();
  return { authorizationUrl: `${publicUrl}/api/integrations/microsoft365/sign-in/${link}`, attempt };
}

/** Opens what {@link startSignIn} sealed. Throws when it was changed, or the key is unknown. */
export function openSecrets(secretBox: SecretBox, attempt: SignInAttempt): SignInSecrets {
  return secretsSchema.parse(JSON.parse(secretBox.open(attempt.sealedSecrets, contextOf(attempt.id))));
}

function contextOf(attemptId: string): string {
  return `sign-in:${attemptId}`;
}
