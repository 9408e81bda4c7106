import { Organization } from '../access/organization.entity.ts';
import { getOrganization } from '../access/organizations.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, enumType } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { decodeId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { Group } from '../ticketing/group.entity.ts';
import { Ticket } from '../ticketing/ticket.entity.ts';
import { Notification } from './notification.entity.ts';
import { NotificationKindEnum } from './notification-kind.graphql.ts';
import { listNotifications } from './notification-list.ts';
import {
  loadNotificationPolicy,
  type NotificationPolicy,
  updateNotificationPolicy,
} from './notification-policy.ts';
import {
  type NotificationSwitch,
  notificationSwitches,
  switchOwner,
  switchValue,
  updateNotificationSetting,
} from './notification-settings.ts';
import { OutboundMessage } from './outbound-message.entity.ts';

const OutcomeEnum = enumType('NotificationOutcome', 'What was decided about a notification.', {
  QUEUED: 'A mail was put into the outbox.',
  SKIPPED: 'Nobody was told; the reason says why.',
});

const ReasonEnum = enumType('NotificationSkipReason', 'Why nobody was told.', {
  TOO_OLD: 'It happened more than a day before anything could be sent.',
  IMPORTED: 'It is history that was imported.',
  AUTOMATIC: 'A machine wrote, and machines are not answered.',
  NO_REPLY_ADDRESS: 'Nobody reads the address, as its name says.',
  OWN_ADDRESS: 'The address is one of your own mailboxes or identities.',
  OWN_DOING: 'Who would be told did it.',
  NO_RECIPIENT: 'There is nobody to tell, or the user has no address or is disabled.',
  OUTDATED: 'The ticket changed again meanwhile.',
  RECENTLY_TOLD: 'The sender was told of another ticket within the pause of the notification policy.',
  LIMIT_REACHED: 'The address has got as many notifications within a day as the notification policy allows.',
  TEMPLATE_FAILED: 'The template could not be filled in.',
  CANNOT_SEND: 'Nothing can be sent from the mailbox now.',
});

builder.node(Notification, {
  name: 'Notification',
  description:
    'What was decided about telling somebody of an event of a ticket. Kinds that are switched off leave none.',
  authScopes: { permission: 'outbound-message:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(Notification),
  fields: (t) => ({
    kind: t.expose('kind', { type: NotificationKindEnum, description: 'What it is about.' }),
    ticket: t.field({
      type: Ticket,
      description: 'The ticket.',
      resolve: ({ ticket }) => ticket.loadOrFail(),
    }),
    recipient: t.string({
      nullable: true,
      description: 'The address of who would be told; null when there is none.',
      resolve: ({ recipient }) => recipient ?? null,
    }),
    outcome: t.expose('outcome', { type: OutcomeEnum, description: 'What was decided.' }),
    reason: t.field({
      type: ReasonEnum,
      nullable: true,
      description: 'Why nobody was told; null when somebody was.',
      resolve: ({ reason }) => reason ?? null,
    }),
    explanation: t.exposeString('explanation', { description: 'The decision in a sentence.' }),
    outboundMessage: t.field({
      type: OutboundMessage,
      nullable: true,
      description: 'The mail and how far it has come; null when there is none.',
      resolve: ({ outboundMessage }) => outboundMessage?.load() ?? null,
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was decided.' }),
  }),
});

builder.queryField('notifications', (t) =>
  t.connection(
    {
      type: Notification,
      description: 'What was decided about telling people of a ticket by mail, the newest first.',
      authScopes: { permission: 'outbound-message:read' },
      args: { ticketId: t.arg.id({ required: true, description: 'Which ticket.' }) },
      resolve: (_root, { ticketId, ...page }, { em }) =>
        listNotifications(em, decodeId('Ticket', ticketId), page),
    },
    connectionType(Notification, 'Notification'),
  ),
);

const SwitchType = builder.objectRef<NotificationSwitch>('NotificationSwitch').implement({
  description: 'Whether people are told of a kind of events.',
  fields: (t) => ({
    kind: t.expose('kind', { type: NotificationKindEnum, description: 'Of what.' }),
    enabled: t.exposeBoolean('enabled', {
      description:
        'Whether they are. For a group that says nothing itself false: then the mailbox of the ticket decides.',
    }),
    inherited: t.boolean({
      description:
        'Whether it says nothing itself: a group then goes by the mailbox of the ticket, and a mailbox tells nobody.',
      resolve: ({ own }) => own === null,
    }),
  }),
});

builder.objectField(Mailbox, 'notifications', (t) =>
  t.field({
    type: [SwitchType],
    description:
      'Of what people are told about tickets of this mailbox. All off until somebody switches them on; what the group of a ticket says counts more.',
    resolve: ({ id, organization }, _args, { em }) => notificationSwitches(em, organization.id, id),
  }),
);

builder.objectField(Group, 'notifications', (t) =>
  t.field({
    type: [SwitchType],
    description: 'Of what people are told about tickets of this group, whatever their mailbox says.',
    resolve: ({ id, organization }, _args, { em }) => notificationSwitches(em, organization.id, id),
  }),
);

mutation('updateNotificationSettings', {
  description:
    'Switches a kind of notifications on or off for a mailbox or a group, for what happens from now on. The group of a ticket counts more than its mailbox.',
  permission: 'template:manage',
  input: (t) => ({
    mailboxId: t.id({ description: 'Which mailbox. Or give `groupId`.' }),
    groupId: t.id({ description: 'Which group. Or give `mailboxId`.' }),
    kind: t.field({ type: NotificationKindEnum, required: true, description: 'Of what people are told.' }),
    enabled: t.boolean({ description: 'Whether they are. Or give `inherit`.' }),
    inherit: t.boolean({
      description:
        'True: a group goes by the mailbox of each ticket again, and a mailbox tells nobody, as at first.',
    }),
  }),
  payload: {
    notifications: {
      type: [SwitchType],
      description: 'All switches of the mailbox or the group as they are now.',
    },
  },
  errors: [InvalidInputError, NotFoundError],
  resolve: async ({ mailboxId, groupId, kind, enabled, inherit }, { em, actor: { organizationId } }) => {
    const owner = switchOwner(
      mailboxId == null ? null : decodeId('Mailbox', mailboxId),
      groupId == null ? null : decodeId('Group', groupId),
    );
    const value = switchValue(enabled, inherit);
    await updateNotificationSetting(em, organizationId, owner, { kind, enabled: value });
    const ownerId = 'mailboxId' in owner ? owner.mailboxId : owner.groupId;
    return { notifications: await notificationSwitches(em, organizationId, ownerId) };
  },
});

const PolicyType = builder.objectRef<NotificationPolicy>('NotificationPolicy').implement({
  description: 'How much notifications write by themselves.',
  fields: (t) => ({
    receivedPauseMinutes: t.exposeInt('receivedPauseMinutes', {
      description:
        'For how many minutes after a RECEIVED the same sender gets no other from the same mailbox. 60 until it is changed; 0: each ticket gets one.',
    }),
    contactLimitPerDay: t.exposeInt('contactLimitPerDay', {
      description: 'Most notifications to one customer within 24 hours. 10 until it is changed.',
    }),
    userLimitPerDay: t.exposeInt('userLimitPerDay', {
      description: 'Most notifications to one user within 24 hours. 200 until it is changed.',
    }),
    ticketUrl: t.exposeString('ticketUrl', {
      nullable: true,
      description:
        'Where people of the organization see a ticket, for `ticket.url` in templates; `{number}` stands for its number.',
    }),
  }),
});

builder.objectField(Organization, 'notificationPolicy', (t) =>
  t.field({
    type: PolicyType,
    description: 'How much notifications write by themselves.',
    resolve: ({ id }, _args, { em }) => loadNotificationPolicy(em, id),
  }),
);

mutation('updateNotificationPolicy', {
  description: 'Changes how much notifications write by themselves; what is left out stays.',
  permission: 'template:manage',
  input: (t) => ({
    receivedPauseMinutes: t.int({
      description: 'Minutes between two RECEIVED to one sender from one mailbox: 0 to 10,080 (a week).',
    }),
    contactLimitPerDay: t.int({
      description: 'Most notifications to one customer within 24 hours: 1 to 1,000.',
    }),
    userLimitPerDay: t.int({ description: 'Most notifications to one user within 24 hours: 1 to 10,000.' }),
    ticketUrl: t.string({
      description:
        'An address that begins with http:// or https:// and contains {number}; at most 500 characters. Null: none.',
    }),
  }),
  payload: { organization: { type: Organization, description: 'The organization as it is now.' } },
  errors: [InvalidInputError],
  resolve: async (input, { em, actor }) => {
    await updateNotificationPolicy(em, actor.organizationId, input);
    return { organization: await getOrganization(em, actor) };
  },
});
