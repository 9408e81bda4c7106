import { Migration } from '@mikro-orm/migrations';

/** The teams that tickets go to. `group` is a word of SQL, hence the name of the table. */
export class Groups extends Migration {
  override up(): void {
    this.addSql(`
      create table ticket_group (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        name text not null check (length(name) between 1 and 100),
        description text,
        archived_at timestamptz(3),
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id)
      );
      create unique index on ticket_group (organization_id, lower(name));
      create index on ticket_group (organization_id, name, id);
      alter table ticket
        add column group_id uuid,
        add foreign key (organization_id, group_id) references ticket_group (organization_id, id);
      create index on ticket (organization_id, group_id, created_at desc) where group_id is not null;
      alter table mailbox
        add column group_id uuid,
        add foreign key (organization_id, group_id) references ticket_group (organization_id, id);
      create index on mailbox (organization_id, group_id) where group_id is not null;
    `);
  }
}
