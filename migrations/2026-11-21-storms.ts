import { Migration } from '@mikro-orm/migrations';

/** How many tickets a sender may open within an hour (null: any number), and what counts them. */
export class Storms extends Migration {
  override up(): void {
    this.addSql('alter table organization add column storm_limit integer check (storm_limit > 0)');
    this.addSql('create index on inbound_message (organization_id, from_address, received_at desc)');
  }
}
