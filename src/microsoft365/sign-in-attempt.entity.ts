import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import { Integration } from './integration.entity.ts';

/** One authorization-code flow under way: made by `startSignIn`, used once by the callback, void after ten minutes. */
export const SignInAttemptSchema = defineEntity({
  name: 'SignInAttempt',
  tableName: 'sign_in_attempt',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    integration: () => p.manyToOne(Integration).ref(),
    user: () => p.manyToOne(User).ref(),
    /** SHA-256 of the `state` that Microsoft sends back. */
    stateDigest: p.blob(),
    /** PKCE verifier and nonce as JSON, sealed for `sign-in:<id>`. */
    sealedSecrets: p.text().hidden(),
    /** Where the browser goes afterwards: a path below PUBLIC_URL, never another host. */
    returnTo: p.string().nullable(),
    expiresAt: p.datetime(),
    usedAt: p.datetime().nullable(),
  },
});

export class SignInAttempt extends SignInAttemptSchema.class {}
SignInAttemptSchema.setClass(SignInAttempt);
