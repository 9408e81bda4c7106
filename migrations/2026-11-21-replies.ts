import { Migration } from '@mikro-orm/migrations';

/**
 * Answering: where senders want answers and which mails theirs refer to, files that are uploaded for a reply, and what was
 * told of a reply when it was asked for, so that the same request gets the same answer again.
 */
export class Replies extends Migration {
  override up(): void {
    this.addSql(`
      alter table message_detail
        add column reply_to_correspondents jsonb,
        add column internet_references text[];

      alter table outbound_message add column composition jsonb;

      create table upload (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        author_id uuid not null,
        name text not null,
        content_type text not null,
        size_bytes integer not null check (size_bytes >= 0),
        stored_content_id uuid,
        sha256 text,
        detected_content_type text,
        expires_at timestamptz(3) not null,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        foreign key (organization_id, author_id) references app_user (organization_id, id),
        foreign key (organization_id, stored_content_id) references stored_content (organization_id, id)
      );
      create index on upload (organization_id, author_id);
      create index on upload (organization_id, stored_content_id) where stored_content_id is not null;
      create index on upload (expires_at);
    `);
    // An upload that was used or has expired is deleted: as with an attachment, its content may be nobody's then.
    this.addSql(`
      create trigger release_stored_content after delete on upload
        referencing old table as gone for each statement execute function release_stored_content()
    `);
  }
}
