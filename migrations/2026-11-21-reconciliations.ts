import { Migration } from '@mikro-orm/migrations';

/** Reconciliations of a mailbox's folders with the ledger, their figures by folder and day, and what differs. */
export class Reconciliations extends Migration {
  override up(): void {
    this.addSql(`
      create table reconciliation (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        mailbox_id uuid not null,
        trigger text not null check (trigger in ('MANUAL', 'NIGHTLY')),
        state text not null check (state in ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED')),
        since timestamptz(3) not null,
        until timestamptz(3),
        takes_in_archive boolean not null default false,
        folder_id text,
        archive_folder_id text,
        step text not null default 'LIST' check (step in ('LIST', 'CONFIRM', 'REPAIR')),
        place jsonb,
        listed_at timestamptz(3),
        started_at timestamptz(3),
        finished_at timestamptz(3),
        is_cut boolean not null default false,
        failures integer not null default 0,
        requests integer not null default 0,
        listed integer not null default 0,
        stored integer not null default 0,
        ignored integer not null default 0,
        failed integer not null default 0,
        unrelated integer not null default 0,
        missing integer not null default 0,
        repaired integer not null default 0,
        gone integer not null default 0,
        problem jsonb,
        version integer not null default 1,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id) on delete cascade
      );
      create index on reconciliation (organization_id, mailbox_id, created_at desc, id desc);
      create index on reconciliation (created_at);
      -- One at a time: asking again while one is open gives back that one.
      create unique index on reconciliation (mailbox_id) where state in ('QUEUED', 'RUNNING');

      create table reconciliation_day (
        id uuid primary key default gen_random_uuid(),
        organization_id uuid not null references organization on delete cascade,
        reconciliation_id uuid not null,
        folder text not null check (folder in ('WATCHED', 'ARCHIVE', 'ELSEWHERE')),
        date date not null,
        listed integer not null default 0,
        stored integer not null default 0,
        ignored integer not null default 0,
        failed integer not null default 0,
        unrelated integer not null default 0,
        missing integer not null default 0,
        repaired integer not null default 0,
        unique (reconciliation_id, folder, date),
        foreign key (organization_id, reconciliation_id) references reconciliation (organization_id, id) on delete cascade
      );
      create index on reconciliation_day (organization_id, reconciliation_id, date desc, id desc);

      create table reconciliation_difference (
        organization_id uuid not null references organization on delete cascade,
        reconciliation_id uuid not null,
        graph_message_id text not null,
        kind text not null check (kind in ('UNKNOWN', 'LOST')),
        folder text not null,
        received_at timestamptz(3) not null,
        state text not null default 'OPEN' check (state in ('OPEN', 'CONFIRMED', 'LEFT')),
        primary key (reconciliation_id, graph_message_id),
        foreign key (organization_id, reconciliation_id) references reconciliation (organization_id, id) on delete cascade
      );
    `);
  }
}
