import type { Tenant } from './directory-user.ts';
import { newTenant } from './seed.ts';
import type { EmulatorState } from './state.ts';

/** The one tenant that all personal Microsoft accounts seem to be in; `consumers` stands for it. */
export const PERSONAL_TENANT_ID = '9188040d-6c67-4c5b-b112-36a304b66dad';
/** Whoever has an address there has a personal account. */
const PERSONAL_DOMAIN = 'outlook.example';

/** The tenant of personal accounts for an address of theirs, made when it is first needed; undefined for any other domain. */
export function personalTenantOf(state: EmulatorState, domain: string): Tenant | undefined {
  if (domain.toLowerCase() !== PERSONAL_DOMAIN) return undefined;
  const known = state.tenants.get(PERSONAL_TENANT_ID);
  if (known !== undefined) return known;
  const tenant = newTenant(PERSONAL_TENANT_ID, PERSONAL_DOMAIN, 'Personal accounts');
  state.tenants.set(tenant.id, tenant);
  return tenant;
}
