import { Migration } from '@mikro-orm/migrations';

/**
 * What an organization may set: its inbound channel, what a mail to two of its mailboxes becomes, how long a reply opens a
 * closed ticket again, and the limits of storms, which hold from now on; and the time zone of each mailbox.
 */
export class OrganizationSettings extends Migration {
  override up(): void {
    this.addSql(`
      alter table organization
        add column inbound_channel text not null default 'NONE'
          check (inbound_channel in ('PLATFORM', 'MICROSOFT_365', 'NONE')),
        add column copy_policy text not null default 'ONE_TICKET'
          check (copy_policy in ('ONE_TICKET', 'LINKED', 'SEPARATE')),
        add column reopen_within_days integer not null default 14 check (reopen_within_days between 0 and 3650),
        add column ticket_storm_limit integer default 100 check (ticket_storm_limit > 0),
        alter column storm_limit set default 300;
      -- Null was the only value that could be had until now, so nobody has chosen it.
      update organization set storm_limit = 300 where storm_limit is null;
      update organization set inbound_channel = 'MICROSOFT_365'
        where exists (select from mailbox where organization_id = organization.id and incoming_enabled);

      alter table mailbox add column time_zone text not null default 'UTC';

      alter table ticket add column copy_of_id uuid;
      alter table ticket add foreign key (organization_id, copy_of_id)
        references ticket (organization_id, id) on delete set null (copy_of_id);
      create index on ticket (organization_id, copy_of_id) where copy_of_id is not null;
    `);
  }
}
