import { Migration } from '@mikro-orm/migrations';

/** Why the addresses of a mailbox, and so its identities, are not all known. */
export class IdentityDiscovery extends Migration {
  override up(): void {
    this.addSql('alter table mailbox add column addresses_problem jsonb;');
  }
}
