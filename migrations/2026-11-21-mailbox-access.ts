import { Migration } from '@mikro-orm/migrations';

/**
 * Mailboxes that were removed stay, with their ledger, until somebody adds them again; and what tells that two addresses
 * are one mailbox.
 */
export class MailboxAccess extends Migration {
  override up(): void {
    this.addSql(`
      alter table mailbox
        add column removed_at timestamptz(3),
        add column microsoft_user_id text,
        add column inbox_folder_id text,
        add constraint mailbox_removed_is_silent check (removed_at is null or not incoming_enabled);
      create index on mailbox (organization_id, inbox_folder_id) where inbox_folder_id is not null;
    `);
  }
}
