import { Migration } from '@mikro-orm/migrations';

/** What an organization wants done with mail that would open a ticket, in the order in which it is asked. */
export class MailRules extends Migration {
  override up(): void {
    this.addSql(`
      create table mail_rule (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        name text not null check (length(name) between 1 and 100),
        position integer not null check (position > 0),
        enabled boolean not null,
        match text not null check (match in ('ALL', 'ANY')),
        conditions jsonb not null,
        group_id uuid,
        priority text,
        tags text[] not null default '{}',
        assignee_id uuid,
        ignore boolean not null default false,
        stop boolean not null default false,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        -- Rules change places in one statement; the order counts at the end of the transaction.
        unique (organization_id, position) deferrable initially deferred,
        foreign key (organization_id, group_id) references ticket_group (organization_id, id),
        foreign key (organization_id, assignee_id) references app_user (organization_id, id)
      );
      create unique index on mail_rule (organization_id, lower(name));
      create index on mail_rule (organization_id, group_id) where group_id is not null;
    `);
  }
}
