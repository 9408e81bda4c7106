import { z } from 'zod';
import { lockOrganization } from '../access/organizations.ts';
import type { EntityManager } from '../platform/database.ts';
import { parseInput } from '../platform/parse-input.ts';
import type { Reads } from '../platform/read-batch.ts';
import { recordEvents } from '../realtime/record.ts';
import { COPY_POLICIES, type CopyPolicy } from './copies.ts';

/** Above it a limit protects from nothing, and each page of mail would have to look at too much of what came before. */
const MAX_STORM_LIMIT = 1_000;

/** Ten years. */
const MAX_REOPEN_DAYS = 3_650;

/**
 * How an organization wants its mail to be made into tickets. The limits of storms hold by default, far above what
 * happens without a fault: 300 tickets of one sender within an hour is one every 12 seconds, more than a person writes, a
 * busy web form hands on, or a monitoring of some hundred things reports in a bad hour; 100 messages of one sender to one
 * ticket within an hour is more than a conversation or a check that fails once a minute. Robots that answer each other
 * reach either within minutes.
 */
export interface MailSettings {
  copyPolicy: CopyPolicy;
  /** Within how many days of its closing a reply opens a ticket again; 0: never. */
  reopenWithinDays: number;
  /** How many tickets a sender may open within an hour; null: any number. */
  stormLimitPerSender: number | null;
  /** After how many messages of a sender to a ticket within an hour the rest counts as automatic; null: never. */
  stormLimitPerTicket: number | null;
}

const limit = z.int().min(1).max(MAX_STORM_LIMIT).nullable();
const settings = z.object({
  copyPolicy: z.enum(COPY_POLICIES),
  reopenWithinDays: z.int().min(0).max(MAX_REOPEN_DAYS),
  stormLimitPerSender: limit,
  stormLimitPerTicket: limit,
});

/** What is left out stays as it is; null takes a limit away, and leaves the others as they are. */
export type MailSettingsChange = { [Key in keyof MailSettings]?: MailSettings[Key] | null | undefined };

interface Row {
  copy_policy: CopyPolicy;
  reopen_within_days: number;
  storm_limit: number | null;
  ticket_storm_limit: number | null;
}

/** The settings of an organization, as they are now: one read. */
export async function loadMailSettings(reads: Reads, organizationId: string): Promise<MailSettings> {
  const [row] = await reads.execute<Row[]>(
    'select copy_policy, reopen_within_days, storm_limit, ticket_storm_limit from organization where id = ?',
    [organizationId],
  );
  if (row === undefined) throw new Error('the organization of these settings does not exist');
  return {
    copyPolicy: row.copy_policy,
    reopenWithinDays: row.reopen_within_days,
    stormLimitPerSender: row.storm_limit,
    stormLimitPerTicket: row.ticket_storm_limit,
  };
}

/**
 * Changes the settings; they hold for the mail that is taken in from now on. What is so already changes nothing and nobody
 * is told. Throws InvalidInputError.
 */
export async function updateMailSettings(
  em: EntityManager,
  organizationId: string,
  { copyPolicy, reopenWithinDays, stormLimitPerSender, stormLimitPerTicket }: MailSettingsChange,
): Promise<void> {
  await em.transactional(async (tx) => {
    await lockOrganization(tx, organizationId);
    const before = await loadMailSettings(tx, organizationId);
    const after = parseInput(settings, {
      copyPolicy: copyPolicy ?? before.copyPolicy,
      reopenWithinDays: reopenWithinDays ?? before.reopenWithinDays,
      stormLimitPerSender:
        stormLimitPerSender === undefined ? before.stormLimitPerSender : stormLimitPerSender,
      stormLimitPerTicket:
        stormLimitPerTicket === undefined ? before.stormLimitPerTicket : stormLimitPerTicket,
    });
    if (JSON.stringify(after) === JSON.stringify(before)) return;
    await tx.execute(
      `update organization set copy_policy = ?, reopen_within_days = ?, storm_limit = ?, ticket_storm_limit = ?
       where id = ?`,
      [
        after.copyPolicy,
        after.reopenWithinDays,
        after.stormLimitPerSender,
        after.stormLimitPerTicket,
        organizationId,
      ],
    );
    await recordEvents(tx, organizationId, [{ type: 'organization.changed' }]);
  });
}
