import { Migration } from '@mikro-orm/migrations';

/**
 * What all processes must know of Microsoft's limits per app and mailbox, and until when a throttled sync waits.
 *
 * Neither table has an organization: the limits are Microsoft's. `key` is a digest that names app, tenant and mailbox, so
 * only organizations that sign in to the same tenant with the same app share a row.
 */
export class GraphBudget extends Migration {
  override up(): void {
    this.addSql(`
      create table graph_pause (
        key text primary key,
        paused_until timestamptz(3),
        moves_paused_until timestamptz(3)
      );

      create table graph_usage (
        key text not null,
        slice timestamptz(3) not null,
        requests integer not null,
        moves integer not null,
        primary key (key, slice)
      );
      create index on graph_usage (slice);

      alter table sync_run add column resumes_at timestamptz(3);
      alter table sync_state add column resumes_at timestamptz(3);
    `);
  }
}
