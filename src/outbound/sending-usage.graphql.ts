import { builder } from '../graphql/builder.ts';
import { OutgoingSettingsType } from '../graphql/outgoing-settings-type.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { readUsage } from './send-limits.ts';
import { readSeenCopies, sendingWarnings } from './sending-warnings.ts';

builder.objectFields(OutgoingSettingsType, (t) => ({
  sentLastMinute: t.int({
    description:
      'Mails that were sent in the last minute, by whatever organization uses the same mailbox. At most `limitPerMinute`: what is above waits in the outbox.',
    complexity: { field: 1, multiplier: 2 },
    resolve: async ({ emailAddress }, _args, { em }) =>
      (await readUsage(em, emailAddress)).messagesLastMinute,
  }),
  limitPerMinute: t.int({
    description:
      'How many mails Exchange Online takes from a mailbox in any minute. Notifications may use 80 % of it.',
    resolve: (_mailbox, _args, { services }) => services.sendLimits.messagesPerMinute,
  }),
  sentToday: t.int({
    description:
      'To how many recipients mail was sent in the last 24 hours, counted likewise: a mail to three counts three times, as Exchange counts it. At most `limit`.',
    complexity: { field: 1, multiplier: 2 },
    resolve: async ({ emailAddress }, _args, { em }) => (await readUsage(em, emailAddress)).recipientsLastDay,
  }),
  limit: t.int({
    description:
      'How many recipients Exchange Online takes from a mailbox in any 24 hours. Notifications may use 80 % of it.',
    resolve: (_mailbox, _args, { services }) => services.sendLimits.recipientsPerDay,
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
