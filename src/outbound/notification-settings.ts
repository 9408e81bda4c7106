import { InvalidInputError, NotFoundError } from '../errors.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import { Group } from '../ticketing/group.entity.ts';
import { NOTIFICATION_KINDS, type NotificationKind } from './notification.entity.ts';

/** A switch of a mailbox or a group. */
export interface NotificationSwitch {
  kind: NotificationKind;
  /** What it says itself; null: it inherits. */
  own: boolean | null;
  /** What follows for tickets that have nothing else to say. */
  enabled: boolean;
}

/** Whose switches they are: exactly one of the two. */
export type SwitchOwner = { mailboxId: string } | { groupId: string };

/**
 * Sets a switch, or takes it away with `enabled` null. It holds for what happens from now on. What is so already changes
 * nothing. Throws NotFoundError.
 */
export async function updateNotificationSetting(
  em: EntityManager,
  organizationId: string,
  owner: SwitchOwner,
  { kind, enabled }: { kind: NotificationKind; enabled: boolean | null },
): Promise<void> {
  const mailboxId = 'mailboxId' in owner ? owner.mailboxId : null;
  const groupId = 'groupId' in owner ? owner.groupId : null;
  if (mailboxId !== null && (await em.findOne(Mailbox, { id: mailboxId })) === null) {
    throw new NotFoundError('The mailbox');
  }
  if (groupId !== null && (await em.findOne(Group, { id: groupId })) === null) {
    throw new NotFoundError('The group');
  }
  if (enabled === null) {
    await em.execute(
      `delete from notification_setting where organization_id = ? and kind = ?
         and mailbox_id is not distinct from ?::uuid and group_id is not distinct from ?::uuid`,
      [organizationId, kind, mailboxId, groupId],
    );
    return;
  }
  // The time is the database's, as that of events: what happened before is not answered.
  const columns = mailboxId === null ? GROUP_COLUMNS : MAILBOX_COLUMNS;
  await em.execute(columns, [organizationId, mailboxId ?? groupId, kind, enabled]);
}

const MAILBOX_COLUMNS = `insert into notification_setting as known (organization_id, mailbox_id, kind, enabled)
  values (?::uuid, ?::uuid, ?, ?)
  on conflict (organization_id, mailbox_id, kind) where mailbox_id is not null
  do update set enabled = excluded.enabled, changed_at = now() where known.enabled <> excluded.enabled`;
const GROUP_COLUMNS = `insert into notification_setting as known (organization_id, group_id, kind, enabled)
  values (?::uuid, ?::uuid, ?, ?)
  on conflict (organization_id, group_id, kind) where group_id is not null
  do update set enabled = excluded.enabled, changed_at = now() where known.enabled <> excluded.enabled`;

/** Reads the owner out of an input that names one of two. Throws InvalidInputError. */
export function switchOwner(mailboxId: string | null, groupId: string | null): SwitchOwner {
  if (mailboxId !== null && groupId === null) return { mailboxId };
  if (groupId !== null && mailboxId === null) return { groupId };
  throw new InvalidInputError(
    'mailboxId',
    'Either a mailbox or a group has switches, and exactly one must be named.',
    'Give "mailboxId" or "groupId".',
  );
}

/** Reads what a switch shall be out of an input that says it in one of two ways. Throws InvalidInputError. */
export function switchValue(
  enabled: boolean | null | undefined,
  inherit: boolean | null | undefined,
): boolean | null {
  if (inherit === true && enabled == null) return null;
  if (inherit !== true && enabled != null) return enabled;
  throw new InvalidInputError(
    'enabled',
    'A switch is on, off or inherited, and exactly one must be said.',
    'Give "enabled", or "inherit": true.',
  );
}

/** All switches of a mailbox or a group. For a page of them it is one query. */
export async function notificationSwitches(
  em: EntityManager,
  organizationId: string,
  ownerId: string,
): Promise<NotificationSwitch[]> {
  const own = (await loadSwitches(em, `${organizationId} ${ownerId}`)) ?? new Map();
  return NOTIFICATION_KINDS.map((kind) => {
    const value = own.get(kind) ?? null;
    return { kind, own: value, enabled: value ?? false };
  });
}

const loadSwitches = batching(async (em, keys: readonly string[]) => {
  const asked = keys.map((key) => key.split(' '));
  const ids = asked.map(([, id]) => id);
  const rows = await em.execute<{ key: string; kind: NotificationKind; enabled: boolean }[]>(
    `select organization_id || ' ' || coalesce(mailbox_id, group_id) as key, kind, enabled
     from notification_setting
     where organization_id in (?) and (mailbox_id in (?) or group_id in (?))`,
    [[...new Set(asked.map(([organizationId]) => organizationId))], ids, ids],
  );
  const found = new Map<string, Map<NotificationKind, boolean>>();
  for (const { key, kind, enabled } of rows) {
    found.set(key, (found.get(key) ?? new Map()).set(kind, enabled));
  }
  return found;
});

/**
 * Whether tickets of this group and this mailbox tell of a kind what happened at `recordedAt`: the group's switch counts,
 * else the mailbox's, else nobody is told. A switch answers nothing that happened before it was set.
 */
export async function isSwitchedOn(
  em: EntityManager,
  organizationId: string,
  {
    kind,
    groupId,
    mailboxId,
    recordedAt,
  }: { kind: NotificationKind; groupId: string | null; mailboxId: string | null; recordedAt: Date },
): Promise<boolean> {
  const [row] = await em.execute<{ enabled: boolean }[]>(
    `select enabled and changed_at <= ?::timestamptz as enabled from notification_setting
     where organization_id = ? and kind = ? and (group_id = ?::uuid or mailbox_id = ?::uuid)
     order by (group_id is not null) desc limit 1`,
    [recordedAt, organizationId, kind, groupId, mailboxId],
  );
  return row?.enabled ?? false;
}

/** Those of the organizations in which anything is switched on: mostly none, at the cost of one small query. */
export async function organizationsToNotify(
  em: EntityManager,
  organizationIds: readonly string[],
): Promise<Set<string>> {
  if (organizationIds.length === 0) return new Set();
  const rows = await em.execute<{ organization_id: string }[]>(
    'select distinct organization_id from notification_setting where organization_id in (?) and enabled',
    [[...new Set(organizationIds)]],
  );
  return new Set(rows.map(({ organization_id }) => organization_id));
}
