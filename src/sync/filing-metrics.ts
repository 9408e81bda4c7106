import { Gauge, type Registry } from 'prom-client';
import { type Database, forkAcrossOrganizations } from '../platform/database.ts';

/** Tells Prometheus how much mail waits for somebody who sets its filing right. Read from the database when it is asked for. */
export function createFilingMetrics(registry: Registry, database: Database): void {
  new Gauge({
    name: 'deskgraph_filing_failed_messages',
    help: 'Messages that could not be copied, or not archived or deleted, until somebody acts: see SyncStatus.filingProblem.',
    labelNames: ['step'],
    registers: [registry],
    async collect() {
      // Over all organizations: the figure is the installation's.
      const [row] = await forkAcrossOrganizations(database).execute<Record<'archive' | 'copy', number>[]>(
        `select count(*) filter (where archive_state = 'FAILED')::int as archive,
           count(*) filter (where copy_state = 'FAILED')::int as copy
         from inbound_message where archive_state = 'FAILED' or copy_state = 'FAILED'`,
      );
      for (const step of ['archive', 'copy'] as const) this.set({ step }, row?.[step] ?? 0);
    },
  });
}
