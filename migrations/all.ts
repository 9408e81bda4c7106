import type { MigrationObject } from '@mikro-orm/core';
import { AfterProcessing } from './2026-11-21-after-processing.ts';
import { Announcements } from './2026-11-21-announcements.ts';
import { Credentials } from './2026-11-21-credentials.ts';
import { FirstTables } from './2026-11-21-first-tables.ts';
import { FormerTickets } from './2026-11-21-former-tickets.ts';
import { GraphBudget } from './2026-11-21-graph-budget.ts';
import { Groups } from './2026-11-21-groups.ts';
import { KeptMailboxes } from './2026-11-21-kept-mailboxes.ts';
import { MachineMail } from './2026-11-21-machine-mail.ts';
import { MailImports } from './2026-11-21-mail-imports.ts';
import { MailRules } from './2026-11-21-mail-rules.ts';
import { MailboxAccess } from './2026-11-21-mailbox-access.ts';
import { MessageDetails } from './2026-11-21-message-details.ts';
import { OrganizationSettings } from './2026-11-21-organization-settings.ts';
import { PushProbes } from './2026-11-21-push-probes.ts';
import { PushSubscriptions } from './2026-11-21-push-subscriptions.ts';
import { Reconciliations } from './2026-11-21-reconciliations.ts';
import { SignIns } from './2026-11-21-sign-ins.ts';
import { StoredContents } from './2026-11-21-stored-content.ts';
import { Storms } from './2026-11-21-storms.ts';
import { TicketFollowUps } from './2026-11-21-ticket-follow-ups.ts';

/** Every migration in its order. A migration that has landed is never edited. */
export const migrations: MigrationObject[] = [
  { name: '2026-11-21-first-tables', class: FirstTables },
  { name: '2026-11-21-push-subscriptions', class: PushSubscriptions },
  { name: '2026-11-21-graph-budget', class: GraphBudget },
  { name: '2026-11-21-push-probes', class: PushProbes },
  { name: '2026-11-21-reconciliations', class: Reconciliations },
  { name: '2026-11-21-announcements', class: Announcements },
  { name: '2026-11-21-machine-mail', class: MachineMail },
  { name: '2026-11-21-ticket-follow-ups', class: TicketFollowUps },
  { name: '2026-11-21-former-tickets', class: FormerTickets },
  { name: '2026-11-21-message-details', class: MessageDetails },
  { name: '2026-11-21-after-processing', class: AfterProcessing },
  { name: '2026-11-21-storms', class: Storms },
  { name: '2026-11-21-organization-settings', class: OrganizationSettings },
  { name: '2026-11-21-groups', class: Groups },
  { name: '2026-11-21-mail-rules', class: MailRules },
  { name: '2026-11-21-mail-imports', class: MailImports },
  { name: '2026-11-21-stored-content', class: StoredContents },
  { name: '2026-11-21-credentials', class: Credentials },
  { name: '2026-11-21-sign-ins', class: SignIns },
  { name: '2026-11-21-mailbox-access', class: MailboxAccess },
  { name: '2026-11-21-kept-mailboxes', class: KeptMailboxes },
];
