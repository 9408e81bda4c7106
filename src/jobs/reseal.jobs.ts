import { Gauge, type Registry } from 'prom-client';
import { z } from 'zod';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';
import { countSealedValues, resealBatch, type SealedColumn } from '../platform/sealed-values.ts';
import type { SecretBox } from '../platform/secrets.ts';
import { defineJob, handleJob, type JobHandler } from './define-job.ts';
import type { ScheduleEntry } from './schedule.ts';

/** Values opened, sealed and written at a time. A token cache has some ten kilobytes. */
const BATCH_SIZE = 100;

/** Seals anew, under the first key, what older keys have sealed. Any number of ticks are one waiting job. */
export const resealJob = defineJob({
  name: 'secrets.reseal',
  input: z.object({}),
  key: () => 'all',
  queue: () => 'secrets.reseal',
});

/** When {@link resealJob} runs, besides the start of a process that finds older keys in use. */
export const resealSchedule: readonly ScheduleEntry[] = [{ job: resealJob, pattern: '0 41 * * * *' }];

export interface ResealDeps {
  database: Database;
  secretBox: SecretBox;
  columns: readonly SealedColumn[];
}

/**
 * What does {@link resealJob}. While a new key is being rolled out, processes may differ in which one is first, and the
 * last to run wins; it comes right with the first run after all have the same.
 */
export function createReseal({ database, secretBox, columns }: ResealDeps): JobHandler {
  return handleJob(resealJob, async (_input, { signal, logger }) => {
    const [key] = secretBox.keyNames;
    for (const column of columns) {
      const { table } = column;
      let after: string | null = null;
      let total = 0;
      do {
        signal.throwIfAborted();
        // Over all organizations: keys are the installation's.
        const em = forkAcrossOrganizations(database);
        const batch = await resealBatch(em, secretBox, column, { after, limit: BATCH_SIZE });
        for (const id of batch.unreadableIds) {
          logger.error({ table, column: column.column, id }, 'a stored secret cannot be opened with its key');
        }
        total += batch.resealed;
        if (batch.found > 0) {
          logger.info({ table, column: column.column, key, total }, 'sealed secrets anew');
        }
        after = batch.found < BATCH_SIZE ? null : batch.lastId;
      } while (after !== null);
    }
  });
}

/** Tells Prometheus how many values each key seals: a key that is not the first and has none may be taken away. */
export function createSealingMetrics(registry: Registry, { database, secretBox, columns }: ResealDeps): void {
  new Gauge({
    name: 'deskgraph_sealed_values',
    help: 'Stored secrets by the encryption key that seals them.',
    labelNames: ['key'],
    registers: [registry],
    async collect() {
      const counts = new Map(secretBox.keyNames.map((name) => [name, 0]));
      for (const column of columns) {
        const uses = await countSealedValues(forkAcrossOrganizations(database), column);
        for (const { key, count } of uses) counts.set(key, (counts.get(key) ?? 0) + count);
      }
      this.reset();
      for (const [key, count] of counts) this.set({ key }, count);
    },
  });
}
