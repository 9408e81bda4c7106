import { LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import { z } from 'zod';
import { Organization } from '../access/organization.entity.ts';
import { NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { oneLine, parseInput } from '../platform/parse-input.ts';
import { Group } from './group.entity.ts';
import {
  GroupInUseError,
  GroupNameTakenError,
  GroupNotAvailableError,
  TooManyGroupsError,
} from './group-errors.ts';
import { lockTicketNumbers } from './ticket-number.ts';

/** The most groups of one organization, archived ones included. */
export const MAX_GROUPS = 1_000;

const name = oneLine.min(1).max(100);
const description = oneLine.max(1_000).transform((given) => given || null);
const newGroup = z.object({ name, description: description.nullish() });
const groupChange = z.object({
  id: z.uuid(),
  name: name.nullish(),
  description: description.nullish(),
  archived: z.boolean().nullish(),
});

export type NewGroup = z.input<typeof newGroup>;
/** What is left out or null stays as it is, but for the description: null takes it away. */
export type GroupChange = z.input<typeof groupChange>;

/** The organization's groups by name, archived ones only when asked for. Throws as `findPage` does. */
export function listGroups(
  em: EntityManager,
  { archived, ...page }: PageArguments & { archived?: boolean | null | undefined },
): Promise<Page<Group>> {
  const where = archived == null ? {} : { archivedAt: archived ? { $ne: null } : null };
  return findPage(em, Group, where, { key: 'name', direction: 'asc' }, page);
}

/** Makes a group. Throws InvalidInputError, {@link GroupNameTakenError} and {@link TooManyGroupsError}. */
export async function createGroup(
  em: EntityManager,
  organizationId: string,
  input: NewGroup,
): Promise<Group> {
  const given = parseInput(newGroup, input);
  return withUniqueName(() =>
    em.transactional(async (inside) => {
      await lockTicketNumbers(inside, organizationId); // two at once would both be the thousandth
      if ((await inside.count(Group, {})) >= MAX_GROUPS) throw new TooManyGroupsError(MAX_GROUPS);
      const group = inside.create(Group, {
        organization: inside.getReference(Organization, organizationId),
        name: given.name,
        description: given.description ?? null,
      });
      await inside.flush();
      return group;
    }),
  );
}

/**
 * Changes a group. An archived one keeps its tickets; mailboxes and mail rules that name it give it nothing more.
 * Throws InvalidInputError, NotFoundError and {@link GroupNameTakenError}.
 */
export async function updateGroup(em: EntityManager, input: GroupChange, now: Date): Promise<Group> {
  const given = parseInput(groupChange, input);
  return withUniqueName(() =>
    em.transactional(async (inside) => {
      const group = await lockGroup(inside, given.id, LockMode.PESSIMISTIC_WRITE);
      if (group === null) throw new NotFoundError('The group');
      if (given.name != null) group.name = given.name;
      if (given.description !== undefined) group.description = given.description;
      if (given.archived != null) group.archivedAt = given.archived ? (group.archivedAt ?? now) : null;
      await inside.flush();
      return group;
    }),
  );
}

/**
 * Deletes a group that nothing uses. While it looks, nothing can begin to use it; it waits for no other lock meanwhile,
 * so it can be part of no deadlock. Throws NotFoundError and {@link GroupInUseError}.
 */
export async function deleteGroup(em: EntityManager, organizationId: string, id: string): Promise<void> {
  await em.transactional(async (inside) => {
    const group = await lockGroup(inside, id, LockMode.PESSIMISTIC_WRITE);
    if (group === null) throw new NotFoundError('The group');
    const users = await usersOf(inside, organizationId, id);
    if (users.length > 0) throw new GroupInUseError(users.join(' and '));
    await inside.nativeDelete(Group, { id });
  });
}

/**
 * The group that something is to be given to; null for null. It can be neither archived nor deleted before the
 * transaction ends, so call it inside one. Throws {@link GroupNotAvailableError}.
 */
export async function findUsableGroup(em: EntityManager, id: string | null): Promise<Group | null> {
  if (id === null) return null;
  const group = await lockGroup(em, id, LockMode.PESSIMISTIC_READ);
  if (group === null || group.archivedAt) throw new GroupNotAvailableError();
  return group;
}

/** Locked and read anew; null when there is none. */
function lockGroup(em: EntityManager, id: string, lockMode: LockMode): Promise<Group | null> {
  return em.findOne(Group, { id }, { lockMode, refresh: true });
}

async function usersOf(em: EntityManager, organizationId: string, groupId: string): Promise<string[]> {
  const rows = await em.execute<{ kind: string }[]>(
    `with wanted as (select ?::uuid as organization_id, ?::uuid as group_id)
     select 'tickets' as kind from wanted
       where exists (select from ticket where (ticket.organization_id, ticket.group_id) = (wanted.organization_id, wanted.group_id))
     union all select 'mailboxes' from wanted
       where exists (select from mailbox where (mailbox.organization_id, mailbox.group_id) = (wanted.organization_id, wanted.group_id))
     union all select 'mail rules' from wanted
       where exists (select from mail_rule where (mail_rule.organization_id, mail_rule.group_id) = (wanted.organization_id, wanted.group_id))`,
    [organizationId, groupId],
  );
  return rows.map(({ kind }) => kind);
}

async function withUniqueName(work: () => Promise<Group>): Promise<Group> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof UniqueConstraintViolationException) throw new GroupNameTakenError();
    throw thrown;
  }
}
