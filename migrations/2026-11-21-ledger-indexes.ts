import { Migration } from '@mikro-orm/migrations';

/**
 * What the ledger is asked for: why something was ignored, what belongs to a ticket, what came at a time, and what could not
 * be archived, deleted or copied. Together with the other conditions each stays below some milliseconds in a million rows.
 */
export class LedgerIndexes extends Migration {
  override up(): void {
    this.addSql(`
      create index on inbound_message (organization_id, reason, mailbox_id, created_at desc, id desc);
      create index on inbound_message (organization_id, ticket_id, created_at desc, id desc) where ticket_id is not null;
      create index on inbound_message (organization_id, received_at desc, id desc);
      create index on inbound_message (organization_id, mailbox_id, created_at desc, id desc)
        where archive_state = 'FAILED' or copy_state = 'FAILED';
    `);
  }
}
