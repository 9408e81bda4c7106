import { Migration } from '@mikro-orm/migrations';

/**
 * For an outbox of a million mails, most of them sent long ago: what waits for an earlier mail of its ticket, what the sweep
 * of every minute looks for, and the lists of what was not sent and of one mailbox.
 */
export class OutboxIndexes extends Migration {
  override up(): void {
    this.addSql(`
      create index on outbound_message (organization_id, ticket_id, position) where state in ('QUEUED', 'SENDING');
      create index on outbound_message (sent_at) where state in ('SENT', 'BOUNCED') and sent_copy = 'PENDING';
      create index on outbound_message (draft_attempted_at) where state = 'CANCELLED' and draft_attempted_at is not null;
      create index on outbound_message (organization_id, created_at desc, id desc) where state <> 'SENT';
      create index on outbound_message (organization_id, mailbox_id, created_at desc, id desc);
    `);
  }
}
