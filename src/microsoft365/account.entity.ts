import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import { Integration } from './integration.entity.ts';

/** Whether the account can act. `UNREACHABLE` heals by itself; the others need a person. */
export const ACCOUNT_STATUSES = [
  'ACTIVE',
  'NEEDS_SIGN_IN',
  'NEEDS_CONSENT',
  'CREDENTIAL_EXPIRED',
  'UNREACHABLE',
  'DISCONNECTED',
] as const;
export type AccountStatus = (typeof ACCOUNT_STATUSES)[number];

/** The Microsoft account that an integration acts as. */
export const AccountSchema = defineEntity({
  name: 'Account',
  tableName: 'account',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    integration: () => p.manyToOne(Integration).ref(),
    /** MSAL's key of the account: `<object id>.<tenant id>`. Addresses change, this does not. */
    homeAccountId: p.string(),
    microsoftUserId: p.string(),
    microsoftTenantId: p.string(),
    emailAddress: p.string(),
    displayName: p.string(),
    status: p.string().$type<AccountStatus>(),
    problem: p.json<Problem>().nullable(),
    grantedScopes: p.array(),
    /** MSAL's token cache of this one account, sealed for `account:<id>`. */
    sealedTokenCache: p.text().hidden().lazy(),
  },
});

export class Account extends AccountSchema.class {}
AccountSchema.setClass(Account);
