import { Organization } from '../../src/access/organization.entity.ts';
import { Mailbox } from '../../src/mailboxes/mailbox.entity.ts';
import { Account } from '../../src/microsoft365/account.entity.ts';
import { Integration } from '../../src/microsoft365/integration.entity.ts';
import type { IncomingMail } from '../../src/microsoft365/mail.ts';
import { type Database, forkAcrossOrganizations, forkFor } from '../../src/platform/database.ts';
import { type IngestResult, ingestMails } from '../../src/ticketing/ingest.ts';
import { createTestOrganization } from '../support/database.ts';
import { eventually } from '../support/wait.ts';

/** When the tests' mail is taken in. */
export const NOW = new Date('2026-11-21T10:00:00Z');

/** An organization of the test's own with one mailbox. */
export interface Desk {
  organizationId: string;
  mailbox: Mailbox;
  accountId: string;
}

let counter = 0;

/** Makes an organization with the mailbox `support@…`. */
export async function createDesk(
  database: Database,
  settings: Partial<Pick<Mailbox, 'createTickets' | 'afterProcessing' | 'archiveFolder'>> = {},
): Promise<Desk> {
  const organization = await createTestOrganization(database);
  const em = forkFor(database, organization.id);
  const reference = em.getReference(Organization, organization.id);
  const integration = em.create(Integration, {
    organization: reference,
    cloud: 'GLOBAL',
    tenantId: 'tenant',
    clientId: 'client',
    authorizationMode: 'DELEGATED',
    sealedClientSecret: 'sealed',
  });
  const account = em.create(Account, {
    organization: reference,
    integration,
    homeAccountId: 'home',
    microsoftUserId: 'user',
    microsoftTenantId: 'tenant',
    emailAddress: 'support@example.com',
    displayName: 'Support',
    status: 'ACTIVE',
    grantedScopes: [],
    sealedTokenCache: 'sealed',
  });
  await em.flush();
  const mailbox = await addMailbox(database, organization.id, account.id, 'support@example.com', settings);
  return { organizationId: organization.id, mailbox, accountId: account.id };
}

/** Another mailbox of the desk. */
export async function addMailbox(
  database: Database,
  organizationId: string,
  accountId: string,
  emailAddress: string,
  settings: Partial<Pick<Mailbox, 'createTickets' | 'afterProcessing' | 'archiveFolder'>> = {},
): Promise<Mailbox> {
  const em = forkFor(database, organizationId);
  const mailbox = em.create(Mailbox, {
    organization: em.getReference(Organization, organizationId),
    account: em.getReference(Account, accountId),
    kind: 'PRIMARY',
    emailAddress,
    displayName: emailAddress,
    ...settings,
  });
  await em.flush();
  return mailbox;
}

/** A mail with everything that is not said made up, and unique. */
export function mail(parts: Partial<IncomingMail> = {}): IncomingMail {
  counter += 1;
  const id = `${counter}-${Math.trunc(performance.now() * 1_000)}`;
  return {
    graphMessageId: `graph-${id}`,
    internetMessageId: `<${id}@customer.example>`,
    conversationId: `conversation-${id}`,
    subject: `Subject ${id}`,
    from: { name: 'Carla Customer', emailAddress: 'carla@customer.example' },
    replyTo: [],
    to: [{ name: 'Support', emailAddress: 'support@example.com' }],
    cc: [],
    receivedAt: new Date('2026-11-21T09:00:00Z'),
    sentAt: new Date('2026-11-21T08:59:00Z'),
    isDraft: false,
    hasAttachments: false,
    body: { contentType: 'html', content: `<p>Hello ${id}</p>` },
    uniqueBody: null,
    inReplyTo: [],
    references: [],
    headers: [],
    ...parts,
  };
}

/** Takes mails in as the sync does: one page, one transaction. */
export function ingest(
  database: Database,
  desk: Pick<Desk, 'organizationId' | 'mailbox'>,
  mails: readonly IncomingMail[],
  now = NOW,
): Promise<IngestResult> {
  const { organizationId } = desk;
  return forkFor(database, organizationId).transactional(async (em) => {
    const mailbox = await em.findOneOrFail(Mailbox, desk.mailbox.id);
    return ingestMails(em, { organizationId, mailbox, mails, now });
  });
}

/** Waits until some transaction of this database waits for a lock of another. */
export function waitUntilBlocked(database: Database): Promise<unknown> {
  return eventually('somebody waits for a lock', async () => {
    const rows = await forkAcrossOrganizations(database).execute<object[]>(
      `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    );
    return rows.length > 0;
  });
}
