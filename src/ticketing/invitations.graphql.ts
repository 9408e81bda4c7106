import { builder } from '../graphql/builder.ts';
import { CorrespondentType } from '../graphql/correspondent-type.ts';
import { Message } from './message.entity.ts';
import { invitationOf, type ShownInvitation } from './message-invitation.ts';

const InvitationType = builder.objectRef<ShownInvitation>('Invitation').implement({
  description: 'What a calendar invitation says. Deskgraph does not answer it.',
  authScopes: { permission: 'ticket:read' },
  fields: (t) => ({
    method: t.exposeString('method', {
      description:
        '`REQUEST`: it invites. `CANCEL`: it takes that back. `REPLY`: somebody answers. As RFC 5546 has it.',
    }),
    summary: t.exposeString('summary', { description: 'What it is about.' }),
    when: t.exposeString('when', {
      nullable: true,
      description:
        "For people: when it is, as clocks of the mailbox's time zone show it; null when it does not say.",
    }),
    startsAt: t.expose('startsAt', {
      type: 'DateTime',
      nullable: true,
      description:
        "When it begins; null for whole days, and when its time zone is not known. A time without a zone is one of the mailbox's.",
    }),
    endsAt: t.expose('endsAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ends, if it says so.',
    }),
    isAllDay: t.exposeBoolean('isAllDay', { description: 'Whether it takes whole days.' }),
    localStart: t.exposeString('localStart', {
      nullable: true,
      description:
        'Its beginning by the clock of whoever made it: `2026-11-21T09:00:00`, or `2026-11-21`. In UTC where Exchange has read it.',
    }),
    timeZone: t.exposeString('timeZone', {
      nullable: true,
      description: 'The time zone of `localStart` as the invitation names it; null for UTC and none.',
    }),
    location: t.exposeString('location', { nullable: true, description: 'Where it is.' }),
    organizer: t.expose('organizer', {
      type: CorrespondentType,
      nullable: true,
      description:
        'Who invites, by the word of the invitation; null when it does not say, and for answers that Exchange has read.',
    }),
  }),
});

builder.objectField(Message, 'invitation', (t) =>
  t.field({
    type: InvitationType,
    nullable: true,
    description:
      'The calendar invitation that it is, or that came with it as a file; null when there is none, or the file is not stored yet.',
    complexity: 5, // its file is read
    resolve: async ({ id, organization, mailbox }, _args, { em, services }) =>
      invitationOf(em, services.storages, {
        organizationId: organization.id,
        messageId: id,
        timeZone: (await mailbox?.load())?.timeZone ?? 'UTC',
      }),
  }),
);
