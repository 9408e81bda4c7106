import { Migration } from '@mikro-orm/migrations';

/** How far the upload of a large file of an outgoing mail has come: who has its URL may upload, so it is sealed. */
export class FileUploads extends Migration {
  override up(): void {
    this.addSql(`
      create table outbound_file_upload (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        outbound_message_id uuid not null,
        attachment_id uuid not null,
        graph_message_id text not null,
        sealed_upload_url text not null,
        expires_at timestamptz(3) not null,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, outbound_message_id, attachment_id),
        foreign key (organization_id, outbound_message_id)
          references outbound_message (organization_id, id) on delete cascade
      );
      create index on outbound_message (organization_id, mailbox_id, identity_id, sent_copy_checked_at)
        where sent_copy_checked_at is not null;
    `);
  }
}
