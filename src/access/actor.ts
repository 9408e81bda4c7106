import { OwnerRequiredError } from './access-errors.ts';
import type { Role } from './permissions.ts';
import type { Session } from './session.ts';

/** The machine itself: first start, command line, tests. It may do everything. */
export const SYSTEM = 'system';

/** Who asks for a change: a person's session, or {@link SYSTEM}. Always named, so that no check is forgotten. */
export type Actor = Session | typeof SYSTEM;

/**
 * Throws {@link OwnerRequiredError} unless `actor` may manage somebody of this role. An ADMIN manages everybody but
 * OWNERs: a key made for an OWNER would otherwise make the ADMIN one.
 */
export function assertMayManage(actor: Actor, role: Role): void {
  if (actor !== SYSTEM && role === 'OWNER' && actor.role !== 'OWNER') throw new OwnerRequiredError();
}
