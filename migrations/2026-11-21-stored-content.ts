import { Migration } from '@mikro-orm/migrations';

/**
 * Contents become rows of their own, which several attachments of an organization can share and which say where they lie.
 * The pieces that are there stay where they are: each stored attachment's id becomes its content's, and of equal contents
 * all but the first are dropped.
 */
export class StoredContents extends Migration {
  override up(): void {
    this.addSql(`
      create table stored_content (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        storage text not null check (storage in ('DATABASE', 'S3')),
        state text not null check (state in ('WRITING', 'STORED', 'DELETING')),
        sha256 text,
        size_bytes integer,
        is_released boolean not null default false,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id)
      );
      create unique index on stored_content (organization_id, sha256) where state = 'STORED';
      create index stored_content_to_sweep on stored_content (id) where is_released or state <> 'STORED';

      alter table attachment
        add column stored_content_id uuid,
        add column detected_content_type text;
      alter table attachment_chunk drop constraint attachment_chunk_attachment_id_fkey;
      alter table attachment_chunk rename to object_chunk;
      alter table object_chunk rename column attachment_id to object_id;

      insert into stored_content (id, organization_id, storage, state, sha256, size_bytes, created_at, updated_at)
        select distinct on (organization_id, sha256) id, organization_id, 'DATABASE', 'STORED', sha256, size_bytes,
          created_at, updated_at
        from attachment where state = 'STORED' and sha256 is not null
        order by organization_id, sha256, id;
      update attachment set stored_content_id = stored_content.id
        from stored_content
        where attachment.state = 'STORED' and stored_content.organization_id = attachment.organization_id
          and stored_content.sha256 = attachment.sha256;
      delete from object_chunk where not exists (select from stored_content where id = object_id);

      alter table attachment
        add foreign key (organization_id, stored_content_id) references stored_content (organization_id, id);
      create index on attachment (organization_id, stored_content_id) where stored_content_id is not null;
    `);
    // Whatever deletes attachments (a ticket, a message that is listed anew), their contents are looked at. In the order of
    // their ids, so that two that delete at once do not wait for each other in a circle.
    this.addSql(`
      create function release_stored_content() returns trigger language plpgsql as $$
      begin
        with released as (
          select id from stored_content
          where id in (select stored_content_id from gone) order by id for no key update
        )
        update stored_content set is_released = true from released where stored_content.id = released.id;
        return null;
      end
      $$
    `);
    this.addSql(`
      create trigger release_stored_content after delete on attachment
        referencing old table as gone for each statement execute function release_stored_content()
    `);
  }
}
