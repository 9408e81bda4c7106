import { enumType } from '../graphql/builder.ts';

/** Shared by templates, switches and decisions. */
export const NotificationKindEnum = enumType('NotificationKind', 'What people are told of by mail.', {
  RECEIVED: 'To who asked: their mail came and has a number.',
  ASSIGNED: 'To the user who was given a ticket by somebody else, or by a mail rule.',
  REPLIED: 'To the user who works on a ticket: somebody outside wrote in it.',
  CLOSED: 'To who asked: a person here closed the ticket.',
});
