import { Migration } from '@mikro-orm/migrations';

/** Who really sent a mail, by its copy: with Send on Behalf recipients see that one as well. */
export class ShownSenders extends Migration {
  override up(): void {
    this.addSql('alter table outbound_message add column shown_sender jsonb;');
  }
}
