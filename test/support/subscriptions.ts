import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { createSecretBox, randomToken } from '../../src/platform/secrets.ts';
import { clientStateContext } from '../../src/sync/push-subscriptions.ts';

/** The key that they are sealed under, as `DESKGRAPH_ENCRYPTION_KEYS` takes it. */
export const ENCRYPTION_KEYS = `test:${Buffer.alloc(32, 7).toString('base64')}`;

/** A subscription as Microsoft knows it, and whose it is. */
export interface SeededSubscription {
  organizationId: string;
  mailboxId: string;
  /** Microsoft's id. */
  subscriptionId: string;
  clientState: string;
}

/**
 * Writes organizations with mailboxes and standing subscriptions past the product: thousands at once. Their accounts can
 * sign in nowhere, so let no worker loose on them.
 */
export async function seedSubscriptions(
  databaseUrl: string,
  { organizations, mailboxes }: { organizations: number; mailboxes: number },
): Promise<SeededSubscription[]> {
  const box = createSecretBox([{ name: 'test', key: Buffer.alloc(32, 7) }]);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const seeded: SeededSubscription[] = [];
  try {
    for (let index = 0; index < organizations; index += 1) {
      const [organizationId, integrationId, accountId] = [randomUUID(), randomUUID(), randomUUID()];
      await client.query(
        `insert into organization (id, name, created_at, updated_at) values ($1, 'Seeded', now(), now())`,
        [organizationId],
      );
      await client.query(
        `insert into integration (id, organization_id, cloud, tenant_id, client_id, authorization_mode, sealed_client_secret, created_at, updated_at)
         values ($1, $2, 'GLOBAL', 'tenant', 'client', 'DELEGATED', 'sealed', now(), now())`,
        [integrationId, organizationId],
      );
      await client.query(
        `insert into account (id, organization_id, integration_id, home_account_id, microsoft_user_id, microsoft_tenant_id,
           email_address, display_name, status, granted_scopes, sealed_token_cache, created_at, updated_at)
         values ($1, $2, $3, 'home', 'user', 'tenant', 'seeded@example.com', 'Seeded', 'ACTIVE', '{}', 'sealed', now(), now())`,
        [accountId, organizationId, integrationId],
      );
      const rows = Array.from({ length: mailboxes }, () => {
        const id = randomUUID();
        const clientState = randomToken();
        return {
          id,
          organizationId,
          mailboxId: randomUUID(),
          subscriptionId: randomUUID(),
          clientState,
          sealed: box.seal(clientState, clientStateContext(id)),
        };
      });
      await client.query(
        `insert into mailbox (id, organization_id, account_id, kind, email_address, display_name, incoming_enabled, receive_from,
           sync_interval_minutes, folder, created_at, updated_at)
         select "mailboxId", $1, $2, 'PRIMARY', "mailboxId" || '@example.com', 'Seeded', true, now(), 60,
           '{"id": "inbox", "displayName": "Inbox"}', now(), now()
           from json_to_recordset($3::json) as row("mailboxId" uuid)`,
        [organizationId, accountId, JSON.stringify(rows)],
      );
      await client.query(
        `insert into push_subscription (id, organization_id, mailbox_id, folder_id, notification_url, graph_subscription_id,
           sealed_client_state, state, next_step_at, expires_at, active_since, created_at, updated_at)
         select id, $1, "mailboxId", 'inbox', 'https://desk.example/webhooks/microsoft-graph', "subscriptionId", sealed, 'ACTIVE',
           now() + interval '3 days', now() + interval '6 days', now(), now(), now()
           from json_to_recordset($2::json) as row(id uuid, "mailboxId" uuid, "subscriptionId" text, sealed text)`,
        [organizationId, JSON.stringify(rows)],
      );
      seeded.push(...rows.map(({ id: _id, sealed: _sealed, ...row }) => row));
    }
  } finally {
    await client.end();
  }
  return seeded;
}

/** A notification as Microsoft writes it. */
export function notificationOf(
  { subscriptionId, clientState }: Pick<SeededSubscription, 'subscriptionId' | 'clientState'>,
  change: object = {},
): object {
  return {
    id: 'n1',
    subscriptionId,
    subscriptionExpirationDateTime: '2026-11-28T00:00:00Z',
    clientState,
    changeType: 'created',
    resource: 'Users/x/Messages/y',
    tenantId: 't',
    resourceData: { '@odata.type': '#Microsoft.Graph.Message', id: 'y' },
    ...change,
  };
}
