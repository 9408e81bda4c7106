import type { NotificationKind } from './notification.entity.ts';

/** The three parts of a template, in Liquid. */
export interface TemplateSource {
  subject: string;
  /** Null: the text, as HTML. */
  html: string | null;
  text: string;
}

/** What is written where an organization has written nothing. Mail to customers shows nothing of what they wrote. */
export const DEFAULT_TEMPLATES: Readonly<Record<NotificationKind, TemplateSource>> = {
  RECEIVED: {
    subject: '{{ ticket.replySubject }}',
    html: null,
    text: `Hello {{ requester.name }},

we have received your message. Its number is {{ ticket.number }}; we will answer as soon as we can.

If you want to add something, reply to this message.

{{ organization.name }}`,
  },
  CLOSED: {
    subject: '{{ ticket.replySubject }}',
    html: null,
    text: `Hello {{ requester.name }},

we have closed your request {{ ticket.number }}.

If something is left to be done, reply to this message: we will take it up again.

{{ organization.name }}`,
  },
  ASSIGNED: {
    subject: 'Ticket #{{ ticket.number }} is yours: {{ ticket.subject }}',
    html: null,
    text: `Hello {{ assignee.name }},

{% if actor.name %}{{ actor.name }} has given you{% else %}you were given{% endif %} ticket #{{ ticket.number }} of {{ requester.name }} ({{ requester.address }}).
{% if ticket.url %}
{{ ticket.url }}
{% endif %}{% if message.text %}
{{ message.senderName }} wrote:

{{ message.text }}
{% endif %}
A reply to this message becomes a note in the ticket, which {{ requester.name }} does not see.`,
  },
  REPLIED: {
    subject: '{{ message.senderName }} wrote in ticket #{{ ticket.number }}: {{ ticket.subject }}',
    html: null,
    text: `Hello {{ assignee.name }},

{{ message.senderName }} ({{ message.senderAddress }}) wrote in ticket #{{ ticket.number }}:

{{ message.text }}
{% if ticket.url %}
{{ ticket.url }}
{% endif %}
A reply to this message becomes a note in the ticket, which {{ requester.name }} does not see.`,
  },
};
