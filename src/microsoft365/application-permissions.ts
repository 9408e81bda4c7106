/** Every application permission of Graph that application mode needs, and what for. */
export const APPLICATION_PERMISSIONS = {
  'Mail.ReadWrite':
    'Reads new mail in any mailbox of the tenant and files it into a folder once it is part of a ticket.',
} as const;

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

/** Which of {@link APPLICATION_PERMISSIONS} are not among these. */
export function missingRoles(granted: readonly string[]): string[] {
  return Object.keys(APPLICATION_PERMISSIONS).filter((name) => !granted.includes(name));
}
