import type { EntityManager } from '../platform/database.ts';
import type { AutomaticKind } from '../ticketing/machine-mail.ts';
import type { Correspondent, MessageKind } from '../ticketing/message.entity.ts';
import type { TicketPriority, TicketStatus } from '../ticketing/ticket.entity.ts';
import { replySubject } from './compose.ts';
import type { TemplateVariables } from './liquid.ts';
import type { NotificationKind } from './notification.entity.ts';

/** Characters of a message that a notification shows. */
const MAX_MESSAGE_TEXT = 10_000;

/** A message as far as a notification looks at it. */
export interface NotifiedMessage {
  id: string;
  kind: MessageKind;
  from: Correspondent | null;
  to: Correspondent[];
  cc: Correspondent[];
  automatic: AutomaticKind | null;
  isImported: boolean;
  internetMessageId: string | null;
  /** When Microsoft received it, in milliseconds since 1970; null when it does not say. */
  receivedAt: number | null;
  text: string;
}

/** A person here. */
export interface NotifiedUser {
  id: string;
  name: string;
  emailAddress: string | null;
  isDisabled: boolean;
}

/** What a notification is about. */
export interface NotificationSubject {
  organizationName: string;
  ticketUrl: string | null;
  ticket: {
    id: string;
    number: number;
    subject: string;
    status: TicketStatus;
    priority: TicketPriority;
    isImported: boolean;
    /** Whether a person made it of a message that was here before. */
    isMadeOfMessage: boolean;
  };
  requester: Correspondent;
  assignee: NotifiedUser | null;
  group: { id: string; name: string } | null;
  /** The mailbox whose mail opened the ticket. */
  mailbox: { id: string; name: string; address: string } | null;
  /** The mail that opened the ticket; null when a person opened it. */
  opening: NotifiedMessage | null;
  /** The message that was asked for, else the newest that came from outside; null when there is none. */
  message: NotifiedMessage | null;
}

const MESSAGE = `jsonb_build_object('id', id, 'kind', kind, 'from', from_correspondent, 'to', to_correspondents,
  'cc', cc_correspondents, 'automatic', automatic, 'isImported', is_imported, 'internetMessageId', internet_message_id,
  'receivedAt', (extract(epoch from received_at) * 1000)::bigint,
  'text', left(stripped_text, ${MAX_MESSAGE_TEXT}))`;

/** Loads what a notification about a ticket needs: one statement. Null when the ticket, or the message, is gone. */
export async function loadSubject(
  em: EntityManager,
  organizationId: string,
  ticketId: string,
  messageId: string | null,
): Promise<NotificationSubject | null> {
  const [row] = await em.execute<NotificationSubject[]>(
    `select organization.name as "organizationName", organization.ticket_url as "ticketUrl",
       jsonb_build_object('id', ticket.id, 'number', ticket.number, 'subject', ticket.subject, 'status', ticket.status,
         'priority', ticket.priority, 'isImported', ticket.is_imported,
         'isMadeOfMessage', coalesce(opening.created_at < ticket.created_at, false)) as ticket,
       jsonb_build_object('name', contact.name, 'emailAddress', contact.email_address) as requester,
       case when app_user.id is not null then jsonb_build_object('id', app_user.id, 'name', app_user.name,
         'emailAddress', lower(app_user.email_address), 'isDisabled', app_user.disabled_at is not null) end as assignee,
       case when ticket_group.id is not null
         then jsonb_build_object('id', ticket_group.id, 'name', ticket_group.name) end as "group",
       case when mailbox.id is not null then jsonb_build_object('id', mailbox.id, 'name', mailbox.display_name,
         'address', mailbox.email_address) end as mailbox,
       opening.message as opening, wanted.message as message
     from ticket
     join organization on organization.id = ticket.organization_id
     join contact on (contact.organization_id, contact.id) = (ticket.organization_id, ticket.requester_id)
     left join app_user on (app_user.organization_id, app_user.id) = (ticket.organization_id, ticket.assignee_id)
     left join ticket_group on (ticket_group.organization_id, ticket_group.id) = (ticket.organization_id, ticket.group_id)
     left join mailbox on (mailbox.organization_id, mailbox.id) = (ticket.organization_id, ticket.mailbox_id)
     left join lateral (
       select ${MESSAGE} as message, created_at from message
       where organization_id = ticket.organization_id and ticket_id = ticket.id and ticket.mailbox_id is not null
         and kind = 'INBOUND'
       order by created_at, id limit 1
     ) as opening on true
     left join lateral (
       select ${MESSAGE} as message from message
       where organization_id = ticket.organization_id and ticket_id = ticket.id
         and case when ?::uuid is null then kind = 'INBOUND' else id = ?::uuid end
       order by created_at desc, id desc limit 1
     ) as wanted on true
     where ticket.organization_id = ? and ticket.id = ?`,
    [messageId, messageId, organizationId, ticketId],
  );
  return row === undefined || (messageId !== null && row.message === null) ? null : row;
}

/** What templates can show of it; see template-variables.ts. `actorName`: who did it. */
export function variablesOf(
  kind: NotificationKind,
  subject: NotificationSubject,
  actorName: string | null,
): TemplateVariables {
  const { ticket, requester, assignee, group, mailbox, message } = subject;
  const isInternal = kind === 'ASSIGNED' || kind === 'REPLIED';
  return {
    organization: { name: subject.organizationName },
    mailbox: { name: mailbox?.name ?? '', address: mailbox?.address ?? '' },
    ticket: {
      number: ticket.number,
      subject: ticket.subject,
      replySubject: replySubject(ticket.subject, ticket.number),
      status: ticket.status,
      priority: ticket.priority,
      url: urlOf(subject),
    },
    group: { name: group?.name ?? '' },
    requester: { name: nameOf(requester), address: requester.emailAddress },
    assignee: { name: assignee?.name ?? '' },
    ...(isInternal && {
      message: {
        text: message?.text ?? '',
        senderName: message?.from ? nameOf(message.from) : '',
        senderAddress: message?.from?.emailAddress ?? '',
      },
    }),
    ...(kind === 'ASSIGNED' && { actor: { name: actorName ?? '' } }),
  };
}

function nameOf({ name, emailAddress }: Correspondent): string {
  return name ?? emailAddress;
}

function urlOf({ ticketUrl, ticket: { number } }: NotificationSubject): string {
  return ticketUrl === null ? '' : ticketUrl.replaceAll('{number}', String(number));
}
