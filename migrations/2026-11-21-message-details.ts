import { Migration } from '@mikro-orm/migrations';

/**
 * What a message has besides its bodies: folded parts and how it is protected. A table of its own, since most messages
 * have none of it, nobody reads it in lists, and rows of `message` are read all the time.
 */
export class MessageDetails extends Migration {
  override up(): void {
    this.addSql(`
      create table message_detail (
        organization_id uuid not null,
        message_id uuid not null,
        quoted_text text,
        signature text,
        protection text,
        primary key (organization_id, message_id),
        foreign key (organization_id, message_id) references message (organization_id, id) on delete cascade
      );
    `);
  }
}
