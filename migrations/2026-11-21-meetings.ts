import { Migration } from '@mikro-orm/migrations';

/** What Exchange tells of the meeting that a mail is about: it hands out no calendar file of those. */
export class Meetings extends Migration {
  override up(): void {
    this.addSql(`
      alter table message_detail add column invitation jsonb;
    `);
  }
}
