import { z } from 'zod';
import { NotFoundError } from '../errors.ts';
import { systemClock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { oneLine, parseInput } from '../platform/parse-input.ts';
import { LastOwnerError } from './access-errors.ts';
import { type Actor, assertMayManage } from './actor.ts';
import { Organization } from './organization.entity.ts';
import { ROLES, type Role } from './permissions.ts';
import { announceSessionChange } from './session-watch.ts';
import { User } from './user.entity.ts';

const name = oneLine.min(1).max(200);
const emailAddress = z.email().max(254).toLowerCase().nullable();
const newUser = z.object({ name, emailAddress: emailAddress.default(null), role: z.enum(ROLES) });
const userChanges = z.object({
  name: name.nullish(),
  emailAddress: emailAddress.optional(),
  role: z.enum(ROLES).nullish(),
  disabled: z.boolean().nullish(),
});

/** The organization's users, the longest-serving first. */
export function listUsers(em: EntityManager, args: PageArguments): Promise<Page<User>> {
  return findPage(em, User, {}, { key: 'createdAt', direction: 'asc' }, args);
}

/** The user with this id. Throws NotFoundError. */
export async function getUser(em: EntityManager, userId: string): Promise<User> {
  const user = await em.findOne(User, userId);
  if (!user) throw new NotFoundError('The user');
  return user;
}

/** A user to make. */
export interface NewUser {
  organizationId: string;
  name: string;
  emailAddress?: string | null | undefined;
  role: Role;
}

/** Makes a user. Throws InvalidInputError, or OwnerRequiredError when an ADMIN tries to make an OWNER. */
export async function createUser(
  em: EntityManager,
  { actor, organizationId, ...input }: NewUser & { actor: Actor },
): Promise<User> {
  const fields = parseInput(newUser, input);
  assertMayManage(actor, fields.role);
  const user = em.create(User, { organization: em.getReference(Organization, organizationId), ...fields });
  await em.flush();
  return user;
}

/** What to change of a user; what is left out stays, and so does what is null, but for the address. */
export interface UserChanges {
  name?: string | null | undefined;
  /** Null removes it. */
  emailAddress?: string | null | undefined;
  role?: Role | null | undefined;
  /** Whether the user may no longer do anything; their keys are refused as long as it holds. */
  disabled?: boolean | null | undefined;
}

/**
 * Changes a user. Another role, or being disabled, ends the user's streams at once. Throws NotFoundError,
 * InvalidInputError, OwnerRequiredError (an ADMIN changing an OWNER or making one) or LastOwnerError.
 */
export async function updateUser(
  em: EntityManager,
  { actor, userId, ...input }: UserChanges & { actor: Actor; userId: string },
): Promise<User> {
  const changes = parseInput(userChanges, input);
  return em.transactional(async (tx) => {
    const user = await getUser(tx, userId);
    await lockOwners(tx, user.organization.id);
    // Read again under the lock: somebody may have changed the user between.
    await tx.refresh(user);
    assertMayManage(actor, user.role);
    if (changes.role) assertMayManage(actor, changes.role);

    const wasActiveOwner = isActiveOwner(user);
    const { role } = user;
    user.name = changes.name ?? user.name;
    user.role = changes.role ?? user.role;
    if (changes.emailAddress !== undefined) user.emailAddress = changes.emailAddress;
    if (typeof changes.disabled === 'boolean') {
      user.disabledAt = changes.disabled ? (user.disabledAt ?? systemClock.now()) : null;
    }
    await tx.flush();
    if (wasActiveOwner && !isActiveOwner(user)) await requireAnOwner(tx);
    if (user.role !== role || user.disabledAt) await announceSessionChange(tx, { userId: user.id });
    return user;
  });
}

function isActiveOwner(user: User): boolean {
  return user.role === 'OWNER' && !user.disabledAt;
}

/** Two OWNERs who demote each other in the same instant would leave none: changes of users go one at a time. */
async function lockOwners(tx: EntityManager, organizationId: string): Promise<void> {
  await tx.execute('select from organization where id = ?::uuid for no key update', [organizationId]);
}

async function requireAnOwner(tx: EntityManager): Promise<void> {
  if ((await tx.count(User, { role: 'OWNER', disabledAt: null })) === 0) throw new LastOwnerError();
}
