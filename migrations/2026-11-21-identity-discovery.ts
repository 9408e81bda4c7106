import { Migration } from '@mikro-orm/migrations';

/**
 * Why the addresses of a mailbox, and so its identities, are not all known; and the last mail of an identity that shows what
 * recipients see.
 */
export class IdentityDiscovery extends Migration {
  override up(): void {
    this.addSql(`
      alter table mailbox add column addresses_problem jsonb;
      create index on outbound_message (organization_id, identity_id, sent_at desc) where shown_from is not null;
    `);
  }
}
