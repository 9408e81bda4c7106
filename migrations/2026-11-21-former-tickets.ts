import { Migration } from '@mikro-orm/migrations';

/** What is left of tickets that were merged into another one or deleted: ids and numbers that people still quote. */
export class FormerTickets extends Migration {
  override up(): void {
    this.addSql(`
      create table former_ticket (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        number integer not null,
        merged_into_id uuid,
        removed_by_id uuid,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, number),
        foreign key (organization_id, merged_into_id) references ticket (organization_id, id),
        foreign key (organization_id, removed_by_id) references app_user (organization_id, id)
      );
      create index on former_ticket (organization_id, merged_into_id) where merged_into_id is not null;
    `);
  }
}
