import { Organization } from '../access/organization.entity.ts';
import { getOrganization } from '../access/organizations.ts';
import { InvalidInputError } from '../errors.ts';
import { builder, enumType } from '../graphql/builder.ts';
import { mutation } from '../graphql/mutation.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { loadMailSettings, type MailSettings, updateMailSettings } from './mail-settings.ts';
import { relatedTicket } from './related-tickets.ts';
import { Ticket } from './ticket.entity.ts';
import { ticketProblem } from './ticket-problem.ts';

const CopyPolicyEnum = enumType(
  'CopyPolicy',
  'What one mail to several mailboxes of the organization becomes. The ledger has a row for each mailbox in any case.',
  {
    ONE_TICKET: 'One ticket: the copies are ignored, and say where the mail is.',
    LINKED: 'A ticket for each mailbox; the later ones name the first as `copyOf`.',
    SEPARATE: 'A ticket for each mailbox, which know nothing of each other.',
  },
);

const MailSettingsType = builder.objectRef<MailSettings>('MailSettings').implement({
  description: 'How the mail of an organization becomes tickets.',
  fields: (t) => ({
    copyPolicy: t.expose('copyPolicy', {
      type: CopyPolicyEnum,
      description: 'What one mail to several mailboxes becomes; ONE_TICKET until it is changed.',
    }),
    reopenWithinDays: t.exposeInt('reopenWithinDays', {
      description:
        'Within how many days of its closing a reply opens a ticket again; a later one opens a new ticket, linked to it. 14 until it is changed; 0: a reply never opens a closed ticket.',
    }),
    stormLimitPerSender: t.exposeInt('stormLimitPerSender', {
      nullable: true,
      description:
        'How many tickets one sender may open within an hour. What comes after shares one ticket, which carries a `problem`; nothing is lost. 300 until it is changed; null: no limit.',
    }),
    stormLimitPerTicket: t.exposeInt('stormLimitPerTicket', {
      nullable: true,
      description:
        'How many messages of one sender to one ticket within an hour count as written by a person. What comes after joins the ticket, but neither opens it again nor is answered. 100 until it is changed; null: no limit.',
    }),
  }),
});

builder.objectField(Organization, 'mailSettings', (t) =>
  t.field({
    type: MailSettingsType,
    description: 'How its mail becomes tickets.',
    resolve: ({ id }, _args, { em }) => loadMailSettings(em, id),
  }),
);

builder.objectFields(Ticket, (t) => ({
  copyOf: t.field({
    type: Ticket,
    nullable: true,
    description:
      'The ticket of the same mail in another mailbox; null unless `MailSettings.copyPolicy` was LINKED when it came.',
    resolve: ({ copyOfId }, _args, { em }) => relatedTicket(em, copyOfId),
  }),
  problem: t.field({
    type: ProblemType,
    nullable: true,
    description: 'A warning: more messages came from one sender than the limits of `MailSettings` allow.',
    resolve: (ticket, _args, { em }) => ticketProblem(em, ticket),
  }),
}));

mutation('updateMailSettings', {
  description:
    'Changes how mail becomes tickets, for mail that comes from now on. What is left out stays; what is so already changes nothing.',
  permission: 'organization:manage',
  input: (t) => ({
    copyPolicy: t.field({ type: CopyPolicyEnum, description: 'What one mail to several mailboxes becomes.' }),
    reopenWithinDays: t.int({
      description: 'Within how many days a reply opens a ticket again: 0 to 3,650.',
    }),
    stormLimitPerSender: t.int({
      description: 'How many tickets one sender may open within an hour: 1 to 1,000; null: no limit.',
    }),
    stormLimitPerTicket: t.int({
      description:
        'How many messages of one sender to one ticket within an hour count as written by a person: 1 to 1,000; null: no limit.',
    }),
  }),
  payload: { organization: { type: Organization, description: 'The organization as it is now.' } },
  errors: [InvalidInputError],
  resolve: async (input, { em, actor }) => {
    await updateMailSettings(em, actor.organizationId, input);
    return { organization: await getOrganization(em, actor) };
  },
});
