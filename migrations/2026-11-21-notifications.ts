import { Migration } from '@mikro-orm/migrations';

/**
 * Consumers of the event log with their cursors; and what people are told by mail about tickets: the templates, the
 * switches, and one row for each decision.
 */
export class Notifications extends Migration {
  override up(): void {
    this.addSql(`
      -- One row for each consumer. It belongs to the installation, not to an organization.
      create table event_consumer (
        name text primary key,
        transaction xid8 not null,
        position bigint not null,
        failures integer not null default 0,
        updated_at timestamptz(3) not null default now()
      );
      -- Events that a consumer could not handle and has passed over.
      create table event_failure (
        id bigint generated always as identity primary key,
        consumer text not null,
        organization_id uuid not null references organization on delete cascade,
        type text not null,
        payload jsonb not null,
        error text not null,
        created_at timestamptz(3) not null default now()
      );
      create index on event_failure (organization_id, created_at);

      create table mail_template (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        kind text not null check (kind in ('RECEIVED', 'ASSIGNED', 'REPLIED', 'CLOSED')),
        subject text not null,
        html text,
        text text not null,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, kind)
      );

      -- What is not here is inherited: a group from the mailbox, a mailbox from "off".
      create table notification_setting (
        id uuid primary key default gen_random_uuid(),
        organization_id uuid not null references organization on delete cascade,
        mailbox_id uuid,
        group_id uuid,
        kind text not null check (kind in ('RECEIVED', 'ASSIGNED', 'REPLIED', 'CLOSED')),
        enabled boolean not null,
        changed_at timestamptz(3) not null default now(),
        check ((mailbox_id is null) <> (group_id is null)),
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id) on delete cascade,
        foreign key (organization_id, group_id) references ticket_group (organization_id, id) on delete cascade
      );
      create unique index on notification_setting (organization_id, mailbox_id, kind) where mailbox_id is not null;
      create unique index on notification_setting (organization_id, group_id, kind) where group_id is not null;

      create table notification (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        -- The place of the event in the log: one event is answered once.
        event_position bigint not null,
        kind text not null check (kind in ('RECEIVED', 'ASSIGNED', 'REPLIED', 'CLOSED')),
        ticket_id uuid not null,
        mailbox_id uuid,
        recipient text,
        outcome text not null check (outcome in ('QUEUED', 'SKIPPED')),
        reason text,
        explanation text not null,
        outbound_message_id uuid,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, event_position, kind),
        check ((outcome = 'SKIPPED') = (reason is not null)),
        foreign key (organization_id, ticket_id) references ticket (organization_id, id) on delete cascade,
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id) on delete set null (mailbox_id),
        foreign key (organization_id, outbound_message_id) references outbound_message (organization_id, id)
          on delete set null (outbound_message_id)
      );
      create index on notification (organization_id, ticket_id, created_at, id);
      create index on notification (organization_id, recipient, created_at) where outcome = 'QUEUED';

      alter table organization
        add column received_pause_minutes integer not null default 60,
        add column contact_notification_limit integer not null default 10,
        add column user_notification_limit integer not null default 200,
        add column ticket_url text;
    `);
  }
}
