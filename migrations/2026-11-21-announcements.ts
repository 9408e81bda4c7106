import { Migration } from '@mikro-orm/migrations';

/** When the first notification came that a run answers: how long tickets take from there is measured. */
export class Announcements extends Migration {
  override up(): void {
    this.addSql('alter table sync_run add column announced_at timestamptz(3)');
  }
}
