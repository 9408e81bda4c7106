import { enumType } from './builder.ts';

/** Where a ticket stands; here, since settings and imports of mailboxes name it as well as tickets. */
export const TicketStatusEnum = enumType('TicketStatus', 'Where a ticket stands.', {
  OPEN: 'Somebody has to do something about it.',
  PENDING: 'It waits for something outside.',
  CLOSED:
    'It is done. A reply within `MailSettings.reopenWithinDays` opens it again; a later one opens a new ticket, linked to it.',
});
