import { Migration } from '@mikro-orm/migrations';

/** The mail that was already there: its imports, and the marks on what they brought. */
export class MailImports extends Migration {
  override up(): void {
    this.addSql(`
      alter table mailbox add column existing_mail jsonb;
      alter table ticket add column is_imported boolean not null default false;
      alter table message add column is_imported boolean not null default false;
      -- The status that a ticket gets that the mail opens; null for mail that was taken in as new.
      alter table inbound_message add column imported_as text check (imported_as in ('OPEN', 'PENDING', 'CLOSED'));

      create table mail_import (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        mailbox_id uuid not null,
        mode text not null check (mode in ('ARCHIVE', 'AS_NEW')),
        since timestamptz(3),
        cutoff timestamptz(3),
        target_status text check (target_status in ('OPEN', 'PENDING', 'CLOSED')),
        folder_id text not null,
        until timestamptz(3) not null,
        state text not null check (state in ('QUEUED', 'RUNNING', 'PAUSED', 'CANCELLED', 'SUCCEEDED', 'FAILED')),
        place jsonb,
        seen integer not null default 0,
        estimated integer,
        created integer not null default 0,
        appended integer not null default 0,
        ignored integer not null default 0,
        failed integer not null default 0,
        requests integer not null default 0,
        failures integer not null default 0,
        problem jsonb,
        resumes_at timestamptz(3),
        started_at timestamptz(3),
        finished_at timestamptz(3),
        version integer not null default 1,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id) on delete cascade
      );
      create index on mail_import (organization_id, mailbox_id, created_at desc, id desc);
      -- One at a time.
      create unique index on mail_import (mailbox_id) where state in ('QUEUED', 'RUNNING', 'PAUSED');
    `);
  }
}
