import { Migration } from '@mikro-orm/migrations';

/** Subscriptions for change notifications: one current row per mailbox, and those that it replaced lately. */
export class PushSubscriptions extends Migration {
  override up(): void {
    this.addSql(`
      create table push_subscription (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        mailbox_id uuid not null,
        folder_id text not null,
        notification_url text not null,
        graph_subscription_id text unique,
        sealed_client_state text not null,
        state text not null check (state in ('CREATING', 'ACTIVE', 'REMOVED', 'FAILED')),
        next_step_at timestamptz(3) not null,
        expires_at timestamptz(3),
        active_since timestamptz(3),
        renewed_at timestamptz(3),
        last_notification_at timestamptz(3),
        missed_count integer not null default 0,
        last_missed_at timestamptz(3),
        silent_recreations integer not null default 0,
        failures integer not null default 0,
        problem jsonb,
        replaced_at timestamptz(3),
        version integer not null default 1,
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        unique (organization_id, id),
        check (state <> 'ACTIVE' or (graph_subscription_id is not null and expires_at is not null and active_since is not null)),
        foreign key (organization_id, mailbox_id) references mailbox (organization_id, id) on delete cascade
      );
      create unique index on push_subscription (mailbox_id) where replaced_at is null;
      create index on push_subscription (next_step_at) where replaced_at is null;
      create index on push_subscription (replaced_at) where replaced_at is not null;
    `);
  }
}
