import { Migration } from '@mikro-orm/migrations';

/**
 * Sign-ins are bound to the browser that opened their link and to the key that started them, may be bound to an account,
 * and say what became of them.
 */
export class SignIns extends Migration {
  override up(): void {
    this.addSql(`
      alter table sign_in_attempt
        add column purpose text not null default 'MAIL',
        add column account_id uuid,
        add column api_key_id uuid,
        add column link_digest bytea unique,
        add column browser_digest bytea,
        add column connected_account_id uuid,
        add column problem jsonb,
        add foreign key (organization_id, account_id) references account (organization_id, id) on delete cascade,
        add foreign key (organization_id, connected_account_id) references account (organization_id, id) on delete cascade;
      create index on sign_in_attempt (account_id);
      create index on sign_in_attempt (connected_account_id);
    `);
  }
}
