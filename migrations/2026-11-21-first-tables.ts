import { Migration } from '@mikro-orm/migrations';

/**
 * The first tables. Every table of an organization has `unique (organization_id, id)`, and every reference inside it is
 * made of both columns: a row that points into another organization cannot exist, whatever the code does.
 */
export class FirstTables extends Migration {
  override up(): void {
    this.addSql(`
      create table organization (
        id uuid primary key,
        name text not null check (length(name) between 1 and 200),
        next_ticket_number integer not null default 1,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null
      );

      create table app_user (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        name text not null,
        email_address text,
        role text not null check (role in ('OWNER', 'ADMIN', 'AGENT', 'VIEWER')),
        disabled_at timestamptz(3),
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id)
      );

      create table api_key (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        user_id uuid not null,
        name text not null,
        prefix text not null,
        secret_digest bytea not null unique,
        last_used_at timestamptz(3),
        revoked_at timestamptz(3),
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        foreign key (organization_id, user_id) references app_user (organization_id, id) on delete cascade
      );

      create table integration (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        cloud text not null,
        tenant_id text not null,
        client_id text not null,
        authorization_mode text not null,
        sealed_client_secret text not null,
        credential_expires_at timestamptz(3),
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        unique (organization_id, cloud, tenant_id, client_id)
      );

      create table account (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        integration_id uuid not null,
        home_account_id text not null,
        microsoft_user_id text not null,
        microsoft_tenant_id text not null,
        email_address text not null,
        display_name text not null,
        status text not null,
        problem jsonb,
        granted_scopes text[] not null,
        sealed_token_cache text not null,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        unique (integration_id, home_account_id),
        foreign key (organization_id, integration_id) references integration (organization_id, id) on delete cascade
      );

      create table sign_in_attempt (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        integration_id uuid not null,
        user_id uuid not null,
        state_digest bytea not null unique,
        sealed_secrets text not null,
        return_to text,
        expires_at timestamptz(3) not null,
        used_at timestamptz(3),
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        foreign key (organization_id, integration_id) references integration (organization_id, id) on delete cascade,
        foreign key (organization_id, user_id) references app_user (organization_id, id) on delete cascade
      );
      create index on sign_in_attempt (expires_at);

      create table mailbox (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        account_id uuid not null,
        kind text not null,
        email_address text not null,
        display_name text not null,
        incoming_enabled boolean not null default false,
        receive_from timestamptz(3),
        sync_interval_minutes integer not null default 5 check (sync_interval_minutes in (1, 5, 15, 30, 60)),
        folder jsonb,
        create_tickets boolean not null default true,
        after_processing text not null default 'KEEP',
        archive_folder jsonb,
        settings_version integer not null default 1,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        unique (organization_id, email_address),
        check (after_processing <> 'ARCHIVE' or archive_folder is not null),
        check (not incoming_enabled or (folder is not null and receive_from is not null)),
        foreign key (organization_id, account_id) references account (organization_id, id)
      );

      create table contact (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        name text not null,
        email_address text not null,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        unique (organization_id, email_address)
      );

      create table ticket (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        number integer not null,
        subject text not null,
        status text not null,
        priority text not null,
        requester_id uuid not null,
        assignee_id uuid,
        mailbox_id uuid,
        tags text[] not null default '{}',
        last_message_at timestamptz(3) not null,
        closed_at timestamptz(3),
        version integer not null default 1,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        unique (organization_id, number),
        foreign key (organization_id, requester_id) references contact (organization_id, id),
        foreign key (organization_id, assignee_id) references app_user (organization_id, id),
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id)
      );
      create index on ticket (organization_id, created_at desc, id desc);
      create index on ticket (organization_id, last_message_at desc, id desc);
      create index on ticket (organization_id, status, created_at desc, id desc);
      create index on ticket (organization_id, status, last_message_at desc, id desc);
      create index on ticket (organization_id, requester_id, created_at desc);
      create index on ticket (organization_id, assignee_id, created_at desc) where assignee_id is not null;
      create index on ticket using gin (tags);

      create table message (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        ticket_id uuid not null,
        kind text not null,
        from_correspondent jsonb,
        to_correspondents jsonb not null,
        cc_correspondents jsonb not null,
        subject text not null,
        text text not null,
        html text,
        stripped_text text not null,
        internet_message_id text,
        mailbox_id uuid,
        conversation_id text,
        author_id uuid,
        sent_at timestamptz(3),
        received_at timestamptz(3),
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        foreign key (organization_id, ticket_id) references ticket (organization_id, id) on delete cascade,
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id),
        foreign key (organization_id, author_id) references app_user (organization_id, id)
      );
      create index on message (organization_id, ticket_id, created_at, id);
      create index on message (organization_id, internet_message_id) where internet_message_id is not null;
      create index on message (organization_id, mailbox_id, conversation_id) where conversation_id is not null;

      create table attachment (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        message_id uuid not null,
        position integer not null,
        name text not null,
        content_type text not null,
        size_bytes integer not null,
        content_id text,
        is_inline boolean not null default false,
        link text,
        state text not null,
        sha256 text,
        problem jsonb,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        unique (message_id, position),
        foreign key (organization_id, message_id) references message (organization_id, id) on delete cascade
      );
      create index on attachment (organization_id, message_id);

      create table attachment_chunk (
        attachment_id uuid not null references attachment on delete cascade,
        position integer not null,
        content bytea not null,
        primary key (attachment_id, position)
      );
      -- Files are mostly compressed already: trying it again only costs time.
      alter table attachment_chunk alter column content set storage external;

      create table inbound_message (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        mailbox_id uuid not null,
        graph_message_id text not null,
        internet_message_id text,
        subject text not null,
        from_address text,
        received_at timestamptz(3),
        outcome text not null,
        reason text not null,
        explanation text not null,
        ticket_id uuid,
        message_id uuid,
        problem jsonb,
        content_digest text,
        attempts integer not null default 1,
        archive_state text not null default 'NOT_WANTED',
        archived_at timestamptz(3),
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        unique (mailbox_id, graph_message_id),
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id) on delete cascade,
        foreign key (organization_id, ticket_id) references ticket (organization_id, id),
        foreign key (organization_id, message_id) references message (organization_id, id)
      );
      create index on inbound_message (organization_id, created_at desc, id desc);
      create index on inbound_message (organization_id, mailbox_id, outcome, created_at desc, id desc);
      create index on inbound_message (organization_id, internet_message_id) where internet_message_id is not null;
      create index on inbound_message (mailbox_id, id) where archive_state = 'DUE';

      create table sync_state (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        mailbox_id uuid not null unique,
        folder_id text,
        cursor text,
        round jsonb,
        covered_until timestamptz(3),
        next_poll_at timestamptz(3),
        last_success_at timestamptz(3),
        consecutive_failures integer not null default 0,
        problem jsonb,
        version integer not null default 1,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id) on delete cascade
      );
      create index on sync_state (next_poll_at) where next_poll_at is not null;

      create table sync_run (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        mailbox_id uuid not null,
        trigger text not null,
        state text not null,
        started_at timestamptz(3),
        finished_at timestamptz(3),
        seen integer not null default 0,
        created integer not null default 0,
        appended integer not null default 0,
        ignored integer not null default 0,
        failed integer not null default 0,
        requests integer not null default 0,
        problem jsonb,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id) on delete cascade
      );
      create index on sync_run (organization_id, mailbox_id, created_at desc, id desc);
      -- Any number of hints wait as one run.
      create unique index on sync_run (mailbox_id) where state = 'QUEUED';

      -- The event log. Readers go by (transaction, position), and only below the oldest transaction that still runs:
      -- see realtime/event-log.ts.
      create table event (
        position bigint generated always as identity primary key,
        transaction xid8 not null default pg_current_xact_id(),
        organization_id uuid not null references organization on delete cascade,
        type text not null,
        payload jsonb not null,
        created_at timestamptz(3) not null default now()
      );
      create index on event (transaction, position);
      create index on event (organization_id, transaction, position);
      create index on event (created_at);

      -- Up to where an organization's events have been pruned: tells an expired cursor from "nothing happened".
      create table event_watermark (
        organization_id uuid primary key references organization on delete cascade,
        transaction xid8 not null,
        position bigint not null
      );
    `);
  }
}
