import { Migration } from '@mikro-orm/migrations';

/** Mail that was announced and that no run has brought yet: a delta query may lag behind the notification. */
export class AnnouncedMail extends Migration {
  override up(): void {
    this.addSql(`
      alter table sync_run add column expected integer not null default 0;
      alter table sync_state
        add column awaited integer not null default 0,
        add column awaited_since timestamptz(3),
        add column looks integer not null default 0;
    `);
  }
}
