import { ApiKeySchema } from './access/api-key.entity.ts';
import { OrganizationSchema } from './access/organization.entity.ts';
import { UserSchema } from './access/user.entity.ts';
import { IdentitySchema } from './mailboxes/identity.entity.ts';
import { MailboxSchema } from './mailboxes/mailbox.entity.ts';
import { SenderProfileSchema } from './mailboxes/sender-profile.entity.ts';
import { AccountSchema } from './microsoft365/account.entity.ts';
import { AdminConsentSchema } from './microsoft365/admin-consent.entity.ts';
import { IntegrationSchema } from './microsoft365/integration.entity.ts';
import { SignInAttemptSchema } from './microsoft365/sign-in-attempt.entity.ts';
import { MailTemplateSchema } from './outbound/mail-template.entity.ts';
import { NotificationSchema } from './outbound/notification.entity.ts';
import { OutboundMessageSchema } from './outbound/outbound-message.entity.ts';
import { UploadSchema } from './outbound/upload.entity.ts';
import { MailImportSchema } from './sync/mail-import.entity.ts';
import { PushSubscriptionSchema } from './sync/push-subscription.entity.ts';
import { ReconciliationSchema } from './sync/reconciliation.entity.ts';
import { ReconciliationDaySchema } from './sync/reconciliation-day.entity.ts';
import { SyncRunSchema } from './sync/sync-run.entity.ts';
import { SyncStateSchema } from './sync/sync-state.entity.ts';
import { AttachmentSchema } from './ticketing/attachment.entity.ts';
import { ContactSchema } from './ticketing/contact.entity.ts';
import { FormerTicketSchema } from './ticketing/former-ticket.entity.ts';
import { GroupSchema } from './ticketing/group.entity.ts';
import { InboundMessageSchema } from './ticketing/inbound-message.entity.ts';
import { MailRuleSchema } from './ticketing/mail-rule.entity.ts';
import { MessageSchema } from './ticketing/message.entity.ts';
import { StoredContentSchema } from './ticketing/stored-content.entity.ts';
import { TicketSchema } from './ticketing/ticket.entity.ts';

/** Every entity, listed: nothing is found by a pattern of file names. */
export const entities = [
  OrganizationSchema,
  UserSchema,
  ApiKeySchema,
  IntegrationSchema,
  AccountSchema,
  SignInAttemptSchema,
  AdminConsentSchema,
  MailboxSchema,
  SenderProfileSchema,
  IdentitySchema,
  GroupSchema,
  MailRuleSchema,
  ContactSchema,
  TicketSchema,
  FormerTicketSchema,
  MessageSchema,
  StoredContentSchema,
  AttachmentSchema,
  InboundMessageSchema,
  SyncStateSchema,
  SyncRunSchema,
  PushSubscriptionSchema,
  MailImportSchema,
  ReconciliationSchema,
  ReconciliationDaySchema,
  OutboundMessageSchema,
  MailTemplateSchema,
  NotificationSchema,
  UploadSchema,
];
