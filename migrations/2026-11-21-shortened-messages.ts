import { Migration } from '@mikro-orm/migrations';

/** Of which messages the mailbox has more than is kept here: they must not be deleted from it. */
export class ShortenedMessages extends Migration {
  override up(): void {
    this.addSql(`
      alter table message_detail add column is_shortened boolean not null default false;
    `);
  }
}
