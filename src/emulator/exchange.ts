import type { Caller } from './caller.ts';
import type { DirectoryUser } from './directory-user.ts';

/** A group or distribution list: it passes mail on, and has no mailbox. */
export interface MailGroup {
  tenantId: string;
  displayName: string;
  /** How many people mail to it reaches. */
  members: number;
  /** Ids of the users and mailboxes that may send as its address. */
  sendAs?: string[];
  sendOnBehalf?: string[];
}

/**
 * What Exchange says of one app in one tenant, beside what Entra has granted: the older application access policy, and
 * role assignments (RBAC for Applications). See learn.microsoft.com/exchange/permissions-exo/application-rbac.
 */
export interface AppAccess {
  /** Limits what Entra has granted; null: no policy. */
  policy: { accessRight: 'RestrictAccess' | 'DenyAccess'; members: string[] } | null;
  /** Grants on top of what Entra has granted; they show in no token. `members` null: every mailbox. */
  assignments: { roles: string[]; members: string[] | null }[];
}

/** What only Exchange knows. */
export interface ExchangeState {
  /** By address, in lower case. */
  groups: Map<string, MailGroup>;
  /** By {@link appAccessKey}. */
  appAccess: Map<string, AppAccess>;
}

/** A tenant where nobody has limited anything. */
export function createExchangeState(): ExchangeState {
  return { groups: new Map(), appAccess: new Map() };
}

/** The key of an app in a tenant. */
export function appAccessKey(tenantId: string, appId: string): string {
  return `${tenantId} ${appId.toLowerCase()}`;
}

/** Whether an application may do with a mailbox what one of these permissions (lower case) allows; `BLOCKED`: by its policy. */
export function applicationMay(
  { appAccess }: ExchangeState,
  caller: Caller,
  owner: DirectoryUser,
  permissions: readonly string[],
): 'YES' | 'NO' | 'BLOCKED' {
  const access = appAccess.get(appAccessKey(caller.tenantId, caller.appId));
  const isAssigned = access?.assignments.some(
    ({ roles, members }) =>
      roles.some((role) => permissions.includes(role.toLowerCase())) &&
      (members === null || members.includes(owner.id)),
  );
  if (isAssigned === true) return 'YES';
  if (!caller.roles.some((role) => permissions.includes(role.toLowerCase()))) return 'NO';
  if (access === undefined || access.policy === null) return 'YES';
  const isMember = access.policy.members.includes(owner.id);
  return isMember === (access.policy.accessRight === 'RestrictAccess') ? 'YES' : 'BLOCKED';
}
