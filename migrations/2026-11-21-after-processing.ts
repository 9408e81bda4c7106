import { Migration } from '@mikro-orm/migrations';

/** A copy of every incoming mail, and what must be known of copies and deletions to make each of them once. */
export class AfterProcessing extends Migration {
  override up(): void {
    this.addSql(`
      alter table mailbox add column copy_folder jsonb;
      alter table inbound_message
        add column copy_state text not null default 'NOT_WANTED',
        add column copied_at timestamptz(3),
        add column copy_tried_at timestamptz(3),
        add column copy_graph_message_id text,
        add column deletion_tried_at timestamptz(3);
      create index on inbound_message (mailbox_id, id) where copy_state = 'DUE';
      create index on inbound_message (organization_id, mailbox_id, copy_graph_message_id)
        where copy_graph_message_id is not null;
    `);
  }
}
