import { Migration } from '@mikro-orm/migrations';

/**
 * Sending: the addresses that mailboxes send as, the profiles that they are sent with, and the outbox. The outbox keeps
 * what a mail is made of (its text, its recipients), so that a retry sends what the first attempt would have sent.
 */
export class Outbound extends Migration {
  override up(): void {
    this.addSql(`
      create table sender_profile (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        name text not null check (length(name) between 1 and 100),
        from_name text,
        reply_to text,
        signature_text text,
        signature_html text,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id)
      );
      create unique index on sender_profile (organization_id, lower(name));

      create table identity (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        mailbox_id uuid not null,
        email_address text not null,
        kind text not null check (kind in ('PRIMARY', 'ALIAS', 'SEND_AS')),
        status text not null check (status in ('ACTIVE', 'UNVERIFIED', 'DENIED', 'GONE')),
        problem jsonb,
        sender_profile_id uuid,
        checked_at timestamptz(3),
        removed_at timestamptz(3),
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        unique (organization_id, mailbox_id, email_address),
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id) on delete cascade,
        foreign key (organization_id, sender_profile_id) references sender_profile (organization_id, id)
      );
      create index on identity (organization_id, sender_profile_id) where sender_profile_id is not null;

      alter table mailbox
        add column outgoing_enabled boolean not null default false,
        add column outgoing_from_name text,
        add column default_identity_id uuid,
        add column personal_user_id uuid,
        add foreign key (organization_id, default_identity_id) references identity (organization_id, id),
        add foreign key (organization_id, personal_user_id) references app_user (organization_id, id);
      alter table organization
        add column default_identity_id uuid,
        add column allows_personal_senders boolean not null default false,
        add foreign key (id, default_identity_id) references identity (organization_id, id);

      create table outbound_message (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        position bigint generated always as identity,
        kind text not null check (kind in ('REPLY', 'NOTIFICATION', 'TEST')),
        state text not null
          check (state in ('QUEUED', 'SENDING', 'SENT', 'BOUNCED', 'FAILED', 'CANCELLED')),
        lane text not null check (lane in ('PROMPT', 'BULKY')),
        priority smallint not null default 0,
        mailbox_id uuid not null,
        identity_id uuid not null,
        ticket_id uuid,
        message_id uuid,
        author_id uuid,
        idempotency_key text,
        from_correspondent jsonb not null,
        reply_to_correspondents jsonb not null,
        to_correspondents jsonb not null,
        cc_correspondents jsonb not null,
        bcc_correspondents jsonb not null,
        recipient_count integer not null,
        subject text not null,
        body_html text,
        body_text text not null,
        in_reply_to text,
        internet_references text[] not null,
        answers_graph_message_id text,
        is_automatic boolean not null default false,
        graph_message_id text,
        internet_message_id text,
        conversation_id text,
        attempts integer not null default 0,
        failed_since timestamptz(3),
        due_at timestamptz(3) not null,
        draft_attempted_at timestamptz(3),
        files_complete_at timestamptz(3),
        send_attempted_at timestamptz(3),
        sent_at timestamptz(3),
        sent_copy text not null default 'PENDING' check (sent_copy in ('PENDING', 'FOUND', 'ELSEWHERE', 'MISSING')),
        sent_copy_checked_at timestamptz(3),
        shown_from jsonb,
        problem jsonb,
        version integer not null default 1,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id) on delete cascade,
        foreign key (organization_id, identity_id) references identity (organization_id, id) on delete cascade,
        foreign key (organization_id, ticket_id) references ticket (organization_id, id) on delete set null (ticket_id),
        foreign key (organization_id, message_id) references message (organization_id, id) on delete set null (message_id),
        foreign key (organization_id, author_id) references app_user (organization_id, id)
      );
      create unique index on outbound_message (organization_id, author_id, idempotency_key) where idempotency_key is not null;
      create unique index on outbound_message (organization_id, message_id) where message_id is not null;
      create index on outbound_message (organization_id, mailbox_id, lane, priority, position) where state in ('QUEUED', 'SENDING');
      create index on outbound_message (organization_id, ticket_id, position);
      create index on outbound_message (organization_id, created_at desc, id desc);
      create index on outbound_message (organization_id, mailbox_id, send_attempted_at) where send_attempted_at is not null;
      create index on outbound_message (organization_id, internet_message_id) where internet_message_id is not null;
    `);
  }
}
