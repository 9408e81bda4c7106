import { z } from 'zod';
import { defineJob, handleJob, type JobHandler } from '../jobs/define-job.ts';
import type { ScheduleEntry } from '../jobs/schedule.ts';
import { type Clock, DAY } from '../platform/clock.ts';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { WARNING_DAYS, warningDaysOf } from './credential-expiry.ts';

/** Most integrations in one transaction. */
const BATCH_SIZE = 500;

/** Looks for credentials that reached another threshold. Any number of ticks are one waiting job. */
export const warnOfExpiryJob = defineJob({
  name: 'microsoft365.warn-of-expiry',
  input: z.object({}),
  key: () => 'all',
  queue: () => 'microsoft365.warn-of-expiry',
});

/** When {@link warnOfExpiryJob} runs: every hour, which a threshold of a day can do with. */
export const credentialSchedule: readonly ScheduleEntry[] = [
  { job: warnOfExpiryJob, pattern: '0 23 * * * *' },
];

/** What does {@link warnOfExpiryJob}. */
export function createWarnOfExpiry({ database, clock }: { database: Database; clock: Clock }): JobHandler {
  return handleJob(warnOfExpiryJob, async (_input, { signal, logger }) => {
    let warned: number;
    do {
      signal.throwIfAborted();
      const batch = await warnBatch(database, clock.now());
      for (const row of batch) logger.warn(row, 'the credential of an integration expires');
      warned = batch.length;
    } while (warned === BATCH_SIZE);
  });
}

interface Warned {
  organizationId: string;
  integrationId: string;
  days: number;
}

/**
 * Records an event for each integration whose credential reached a threshold that was not warned of yet, in one
 * transaction with the note that it was: once per threshold, however many processes look. Over all organizations, since
 * the date is all that counts.
 */
async function warnBatch(database: Database, now: Date): Promise<Warned[]> {
  const reached = WARNING_DAYS.map((days) => ({ days, until: new Date(now.getTime() + days * DAY) }));
  return await forkAcrossOrganizations(database).transactional(async (em) => {
    const rows = await em.execute<{ id: string; organization_id: string; credential_expires_at: string }[]>(
      `select id, organization_id, credential_expires_at from integration
        where exists (select from json_to_recordset(?::json) as reached(days int, until timestamptz)
          where credential_expires_at <= reached.until and coalesce(credential_warned_days, 999) > reached.days)
        order by id limit ${BATCH_SIZE} for no key update skip locked`,
      [JSON.stringify(reached)],
    );
    const warned = rows.map((row) => ({
      organizationId: row.organization_id,
      integrationId: row.id,
      days: warningDaysOf(new Date(row.credential_expires_at), now) ?? 0,
    }));
    if (warned.length === 0) return [];
    await em.execute(
      `update integration set credential_warned_days = due.days
         from json_to_recordset(?::json) as due("integrationId" uuid, days int) where id = due."integrationId"`,
      [JSON.stringify(warned)],
    );
    for (const [organizationId, ofOne] of Map.groupBy(warned, (row) => row.organizationId)) {
      const events = ofOne.map(({ integrationId }) => ({
        type: 'credential.expiring' as const,
        integrationId,
      }));
      await recordEvents(em, organizationId, events);
    }
    return warned;
  });
}
