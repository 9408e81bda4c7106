import { Migration } from '@mikro-orm/migrations';

/** Failures apart from attempts: a mail whose workers died waited as long as one that Microsoft has refused as often. */
export class OutboundFailures extends Migration {
  override up(): void {
    this.addSql('alter table outbound_message add column failures integer not null default 0;');
  }
}
