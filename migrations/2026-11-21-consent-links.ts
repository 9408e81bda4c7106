import { Migration } from '@mikro-orm/migrations';

/** Admin consents are bound to the browser that opened their link and to the key that started them, as sign-ins are. */
export class ConsentLinks extends Migration {
  override up(): void {
    this.addSql(`
      alter table admin_consent
        add column api_key_id uuid,
        add column link_digest bytea unique,
        add column browser_digest bytea;
    `);
  }
}
