/** What a user may be, from all rights to reading only. */
export const ROLES = ['OWNER', 'ADMIN', 'AGENT', 'VIEWER'] as const;
export type Role = (typeof ROLES)[number];

/**
 * The permission catalogue: every right that exists, with the roles that hold it. Code asks for a permission, never for
 * a role.
 */
export const PERMISSIONS = {
  'organization:read': ['OWNER', 'ADMIN', 'AGENT', 'VIEWER'],
  'organization:manage': ['OWNER', 'ADMIN'],
  'user:read': ['OWNER', 'ADMIN', 'AGENT', 'VIEWER'],
  'user:manage': ['OWNER', 'ADMIN'],
  'api-key:manage': ['OWNER', 'ADMIN'],
  'integration:read': ['OWNER', 'ADMIN'],
  'integration:manage': ['OWNER', 'ADMIN'],
  'mailbox:read': ['OWNER', 'ADMIN', 'AGENT', 'VIEWER'],
  'mailbox:manage': ['OWNER', 'ADMIN'],
  'sync:run': ['OWNER', 'ADMIN'],
  'inbound-message:read': ['OWNER', 'ADMIN'],
  'inbound-message:retry': ['OWNER', 'ADMIN'],
  'group:read': ['OWNER', 'ADMIN', 'AGENT', 'VIEWER'],
  'group:manage': ['OWNER', 'ADMIN'],
  'mail-rule:read': ['OWNER', 'ADMIN'],
  'mail-rule:manage': ['OWNER', 'ADMIN'],
  'ticket:read': ['OWNER', 'ADMIN', 'AGENT', 'VIEWER'],
  'ticket:create': ['OWNER', 'ADMIN', 'AGENT'],
  'ticket:update': ['OWNER', 'ADMIN', 'AGENT'],
  'ticket:delete': ['OWNER', 'ADMIN'],
  'ticket:reply': ['OWNER', 'ADMIN', 'AGENT'],
  'outbound-message:read': ['OWNER', 'ADMIN', 'AGENT', 'VIEWER'],
  'outbound-message:manage': ['OWNER', 'ADMIN', 'AGENT'],
  'template:manage': ['OWNER', 'ADMIN'],
  'ticket:note': ['OWNER', 'ADMIN', 'AGENT'],
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof PERMISSIONS;

/** Every permission of a role, sorted by name. */
export function permissionsOf(role: Role): Permission[] {
  return (Object.keys(PERMISSIONS) as Permission[]).filter((permission) => grants(role, permission)).sort();
}

/** Whether `role` holds `permission`. */
export function grants(role: Role, permission: Permission): boolean {
  return (PERMISSIONS[permission] as readonly Role[]).includes(role);
}
