import { Migration } from '@mikro-orm/migrations';

/** What an administrator is asked to grant to everybody; null for what was started before, and in application mode. */
export class ConsentPermissions extends Migration {
  override up(): void {
    this.addSql(`
      alter table admin_consent add column permissions text[];
    `);
  }
}
