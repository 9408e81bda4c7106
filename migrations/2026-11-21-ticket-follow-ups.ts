import { Migration } from '@mikro-orm/migrations';

/** A reply to what was closed long ago opens a ticket of its own, linked to the old one. */
export class TicketFollowUps extends Migration {
  override up(): void {
    this.addSql(`
      alter table ticket
        add column follow_up_of_id uuid,
        add foreign key (organization_id, follow_up_of_id) references ticket (organization_id, id);
      create index on ticket (organization_id, follow_up_of_id) where follow_up_of_id is not null;
    `);
  }
}
