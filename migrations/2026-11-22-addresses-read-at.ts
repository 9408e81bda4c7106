import { Migration } from '@mikro-orm/migrations';

/** Since when the addresses of a mailbox are as they are known: of two readings at once the earlier one may end last. */
export class AddressesReadAt extends Migration {
  override up(): void {
    this.addSql(`
      alter table mailbox add column addresses_read_at timestamptz;
    `);
  }
}
