import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import { Account } from './account.entity.ts';
import { Integration } from './integration.entity.ts';
import type { SignInPurpose } from './sign-in-purpose.ts';

/**
 * One authorization-code flow: made by `startSignIn` or `reauthenticate`, bound to the first browser that opens its link,
 * used once by the callback, void after ten minutes. It tells for a day what became of it.
 */
export const SignInAttemptSchema = defineEntity({
  name: 'SignInAttempt',
  tableName: 'sign_in_attempt',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    integration: () => p.manyToOne(Integration).ref(),
    purpose: p.string().$type<SignInPurpose>().default('MAIL'),
    user: () => p.manyToOne(User).ref(),
    /** The key that it was started with: a sign-in ends with the session that began it. */
    apiKeyId: p.uuid().nullable(),
    /** The only account that may come back; null when any may. */
    account: () => p.manyToOne(Account).ref().nullable(),
    /** SHA-256 of the token in the link that the caller is given. */
    linkDigest: p.blob().$type<Buffer>().nullable(),
    /** SHA-256 of the cookie of the browser that opened the link; null until one has. */
    browserDigest: p.blob().$type<Buffer>().nullable(),
    /** SHA-256 of the `state` that Microsoft sends back. */
    stateDigest: p.blob().$type<Buffer>(),
    /** State, PKCE verifier, nonce and what is asked for, as JSON, sealed for `sign-in:<id>`. */
    sealedSecrets: p.text().hidden(),
    /** Where the browser goes afterwards: a path below PUBLIC_URL, never another host. */
    returnTo: p.string().nullable(),
    expiresAt: p.datetime(),
    usedAt: p.datetime().nullable(),
    /** Who signed in, once it came about. */
    connectedAccount: () => p.manyToOne(Account).ref().nullable(),
    /** Why it did not come about. */
    problem: p.json<Problem>().nullable(),
  },
});

export class SignInAttempt extends SignInAttemptSchema.class {}
SignInAttemptSchema.setClass(SignInAttempt);

/** What has become of a sign-in. */
export const SIGN_IN_STATUSES = ['PENDING', 'COMPLETED', 'FAILED', 'EXPIRED'] as const;
export type SignInStatus = (typeof SIGN_IN_STATUSES)[number];

/** What has become of a sign-in by now. Nobody tells us that a page was closed: it expires. */
export function signInStatusOf(
  {
    problem,
    connectedAccount,
    expiresAt,
  }: {
    problem?: Problem | null | undefined;
    connectedAccount?: object | null | undefined;
    expiresAt: Date;
  },
  now: Date,
): SignInStatus {
  if (connectedAccount) return 'COMPLETED';
  if (problem) return 'FAILED';
  return expiresAt.getTime() <= now.getTime() ? 'EXPIRED' : 'PENDING';
}
