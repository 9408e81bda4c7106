import { builder } from '../graphql/builder.ts';
import { OutgoingSettingsType } from '../graphql/outgoing-settings-type.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { readUsage, type SendLimits } from './send-limits.ts';
import { readSeenCopies, sendingWarnings } from './sending-warnings.ts';

const SendLimitsType = builder.objectRef<SendLimits>('SendLimits').implement({
  description: 'How much a mailbox may send: what is above waits in the outbox.',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    messagesPerMinute: t.exposeInt('messagesPerMinute', { description: 'Mails in any minute.' }),
    recipientsPerDay: t.exposeInt('recipientsPerDay', { description: 'Recipients in any 24 hours.' }),
  }),
});

builder.objectFields(OutgoingSettingsType, (t) => ({
  limits: t.field({
    type: SendLimitsType,
    description: 'The limits of Exchange Online, which are kept here. Notifications may use 80 % of them.',
    resolve: (_mailbox, _args, { services }) => services.sendLimits,
  }),
  sentLastMinute: t.int({
    description: 'Mails that were sent in the last minute, by whatever organization uses the same mailbox.',
    complexity: { field: 1, multiplier: 2 },
    resolve: async ({ emailAddress }, _args, { em }) =>
      (await readUsage(em, emailAddress)).messagesLastMinute,
  }),
  recipientsToday: t.int({
    description: 'Recipients of what was sent in the last 24 hours, counted likewise.',
    complexity: { field: 1, multiplier: 2 },
    resolve: async ({ emailAddress }, _args, { em }) => (await readUsage(em, emailAddress)).recipientsLastDay,
  }),
  warnings: t.field({
    type: [ProblemType],
    description:
      'What to know of sending from it: that 80 % of a limit is used, and what Microsoft does with accounts that send too much; that copies of sent mail are not in Sent Items, and which setting of Exchange to look at.',
    complexity: { field: 1, multiplier: 5 },
    resolve: async (mailbox, _args, { em, services: { sendLimits, clock } }) =>
      sendingWarnings(
        mailbox,
        await readUsage(em, mailbox.emailAddress),
        sendLimits,
        await readSeenCopies(em, mailbox.organization.id, mailbox.id),
        clock.now(),
      ),
  }),
}));
