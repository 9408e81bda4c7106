import { Migration } from '@mikro-orm/migrations';

/** Mailboxes outlive the integration that they were read through, so that connecting again doubles no mail. */
export class KeptMailboxes extends Migration {
  override up(): void {
    this.addSql(`
      alter table mailbox
        alter column account_id drop not null,
        add constraint mailbox_connected_has_account check (account_id is not null or removed_at is not null);
    `);
  }
}
