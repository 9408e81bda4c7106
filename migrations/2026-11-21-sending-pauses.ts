import { Migration } from '@mikro-orm/migrations';

/**
 * Until when Microsoft wants a mailbox to send nothing, and why: asked of all its mail and not of the one that was told.
 * As long as its account is blocked it says so to whoever would write.
 */
export class SendingPauses extends Migration {
  override up(): void {
    this.addSql(`
      alter table mailbox add column sending_paused_until timestamptz(3), add column sending_problem jsonb;
      create index on mailbox (sending_paused_until) where sending_paused_until is not null;
    `);
  }
}
