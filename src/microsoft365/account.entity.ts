import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import { Integration } from './integration.entity.ts';

/** Whether the account can act. `THROTTLED` and `UNREACHABLE` pass by themselves; the others need a person. */
export const ACCOUNT_STATUSES = [
  'ACTIVE',
  'NEEDS_SIGN_IN',
  'NEEDS_CONSENT',
  'CREDENTIAL_EXPIRED',
  'THROTTLED',
  'UNREACHABLE',
  'DISCONNECTED',
] as const;
export type AccountStatus = (typeof ACCOUNT_STATUSES)[number];

/** `USER`: somebody who signed in. `TENANT`: the tenant itself, in application mode. */
export const ACCOUNT_KINDS = ['USER', 'TENANT'] as const;
export type AccountKind = (typeof ACCOUNT_KINDS)[number];

/** Whom an integration acts as: a Microsoft account, or in application mode the tenant. */
export const AccountSchema = defineEntity({
  name: 'Account',
  tableName: 'account',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    integration: () => p.manyToOne(Integration).ref(),
    kind: p.string().$type<AccountKind>().default('USER'),
    /** MSAL's key of the account: `<object id>.<tenant id>`. Addresses change, this does not. `tenant` for a tenant. */
    homeAccountId: p.string(),
    /** Empty for a tenant. */
    microsoftUserId: p.string(),
    microsoftTenantId: p.string(),
    /** Empty for a tenant. */
    emailAddress: p.string(),
    displayName: p.string(),
    status: p.string().$type<AccountStatus>(),
    problem: p.json<Problem>().nullable(),
    /** Delegated permissions, for a tenant application permissions (`roles`). */
    grantedScopes: p.array(),
    /**
     * When a mailbox was reached although Entra has granted the tenant's app no permission for mail: Exchange's RBAC for
     * Applications has, which no token shows. Null otherwise.
     */
    accessProvenAt: p.datetime().nullable(),
    /** MSAL's token cache of this one account, sealed for `account:<id>`. */
    sealedTokenCache: p.text().hidden().lazy(),
  },
});

export class Account extends AccountSchema.class {}
AccountSchema.setClass(Account);
