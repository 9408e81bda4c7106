import { Migration } from '@mikro-orm/migrations';

/** The last probe of a subscription: what shows that notifications come before the first mail does. */
export class PushProbes extends Migration {
  override up(): void {
    this.addSql(`
      alter table push_subscription
        add column next_probe_at timestamptz(3) not null default now(),
        add column probe_started_at timestamptz(3),
        add column probe_message_id text,
        add column probe_answered_at timestamptz(3),
        add column probe_removal_at timestamptz(3),
        add column probe_problem jsonb,
        add column unanswered_probes integer not null default 0;
      create index on push_subscription (probe_removal_at) where probe_removal_at is not null;
    `);
  }
}
