import type { MigrationObject } from '@mikro-orm/core';
import { AfterProcessing } from './2026-11-21-after-processing.ts';
import { Announcements } from './2026-11-21-announcements.ts';
import { ConsentLinks } from './2026-11-21-consent-links.ts';
import { Credentials } from './2026-11-21-credentials.ts';
import { FirstTables } from './2026-11-21-first-tables.ts';
import { FormerTickets } from './2026-11-21-former-tickets.ts';
import { GraphBudget } from './2026-11-21-graph-budget.ts';
import { KeptMailboxes } from './2026-11-21-kept-mailboxes.ts';
import { MachineMail } from './2026-11-21-machine-mail.ts';
import { MailboxAccess } from './2026-11-21-mailbox-access.ts';
import { MessageDetails } from './2026-11-21-message-details.ts';
import { PushProbes } from './2026-11-21-push-probes.ts';
import { PushSubscriptions } from './2026-11-21-push-subscriptions.ts';
import { Reconciliations } from './2026-11-21-reconciliations.ts';
import { SignIns } from './2026-11-21-sign-ins.ts';
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
  { name: '2026-11-21-credentials', class: Credentials },
  { name: '2026-11-21-sign-ins', class: SignIns },
  { name: '2026-11-21-mailbox-access', class: MailboxAccess },
  { name: '2026-11-21-kept-mailboxes', class: KeptMailboxes },
  { name: '2026-11-21-consent-links', class: ConsentLinks },
];
