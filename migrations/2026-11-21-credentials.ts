import { Migration } from '@mikro-orm/migrations';

/**
 * Certificates beside client secrets, what is known about a credential's acceptance and expiry, accounts that are a whole
 * tenant (application mode), and the admin consents that were started.
 */
export class Credentials extends Migration {
  override up(): void {
    this.addSql(`
      alter table integration
        alter column sealed_client_secret drop not null,
        add column sealed_private_key text,
        add column certificate text,
        add column credential_accepted_at timestamptz(3),
        add column credential_warned_days integer,
        add constraint integration_one_credential
          check ((sealed_client_secret is null) <> (sealed_private_key is null)),
        add constraint integration_whole_certificate
          check ((sealed_private_key is null) = (certificate is null));
      create index on integration (credential_expires_at) where credential_expires_at is not null;

      alter table account
        add column kind text not null default 'USER' check (kind in ('USER', 'TENANT')),
        add column access_proven_at timestamptz(3);

      create table admin_consent (
        id uuid primary key,
        organization_id uuid not null references organization on delete cascade,
        integration_id uuid not null,
        user_id uuid not null,
        state_digest bytea not null unique,
        return_to text,
        expires_at timestamptz(3) not null,
        used_at timestamptz(3),
        created_at timestamptz(3) not null,
        updated_at timestamptz(3) not null,
        foreign key (organization_id, integration_id) references integration (organization_id, id) on delete cascade,
        foreign key (organization_id, user_id) references app_user (organization_id, id) on delete cascade
      );
      create index on admin_consent (expires_at);
    `);
  }
}
