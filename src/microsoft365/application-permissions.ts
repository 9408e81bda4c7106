/** Every application permission of Graph that application mode asks for, and what for. */
export const APPLICATION_PERMISSIONS = {
  'Mail.ReadWrite':
    'Reads new mail in any mailbox of the tenant and files it into a folder once it is part of a ticket.',
  'Mail.Send':
    'Sends replies and notifications from any mailbox of the tenant; without it mail is still received.',
} as const;

/** Without these nothing goes; the others are needed only for what they name. */
const NEEDED: readonly string[] = ['Mail.ReadWrite'];

/**
 * The application permissions (`roles`) that a token of the app carries, sorted; null when it does not show them. Graph
 * tells everybody not to read its tokens, so this is for explaining only: what may be done, Graph's answers decide.
 */
export function rolesOf(accessToken: string): string[] | null {
  const [, payload] = accessToken.split('.');
  if (payload === undefined) return null;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    if (typeof claims !== 'object' || claims === null) return null;
    const roles: unknown = Reflect.get(claims, 'roles') ?? [];
    return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string').sort() : null;
  } catch {
    return null; // encrypted, or of a form to come
  }
}

/** Which of {@link APPLICATION_PERMISSIONS} that receiving needs are not among these: sending is not asked of everybody. */
export function missingRoles(granted: readonly string[]): string[] {
  return NEEDED.filter((name) => !granted.includes(name));
}

/** Whether application mode goes on without it. */
export function isNeededForSendingOnly(permission: string): boolean {
  return !NEEDED.includes(permission);
}
