import { Migration } from '@mikro-orm/migrations';

/** Mail that a person wants in a ticket, though it was ignored. */
export class WantedMail extends Migration {
  override up(): void {
    this.addSql(`
      alter table inbound_message add column is_wanted boolean not null default false;
    `);
  }
}
