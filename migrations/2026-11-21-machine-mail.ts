import { Migration } from '@mikro-orm/migrations';

/** What machines wrote, and what bounces say. */
export class MachineMail extends Migration {
  override up(): void {
    this.addSql('alter table message add column automatic text, add column bounce jsonb');
  }
}
