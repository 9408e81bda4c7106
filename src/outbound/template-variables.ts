import type { TemplateVariables } from './liquid.ts';
import type { NotificationKind } from './notification.entity.ts';

/** What a template can show, as its author reads of it. */
export interface TemplateVariable {
  name: string;
  description: string;
  /** What a preview without a ticket shows. */
  example: string;
}

/** Every kind has these. */
const COMMON: readonly TemplateVariable[] = [
  { name: 'organization.name', description: 'The name of your organization.', example: 'Contoso' },
  {
    name: 'mailbox.name',
    description: 'The name of the mailbox that it is sent from.',
    example: 'Contoso Support',
  },
  {
    name: 'mailbox.address',
    description: 'The address that it is sent from.',
    example: 'support@contoso.example',
  },
  { name: 'ticket.number', description: 'The number of the ticket.', example: '1234' },
  { name: 'ticket.subject', description: 'The subject of the ticket.', example: 'The printer is on fire' },
  {
    name: 'ticket.replySubject',
    description: 'The subject as an answer has it: with Re: and with the token of the ticket, each once.',
    example: 'Re: The printer is on fire [#1234]',
  },
  { name: 'ticket.status', description: 'OPEN, PENDING or CLOSED.', example: 'OPEN' },
  { name: 'ticket.priority', description: 'LOW, NORMAL, HIGH or URGENT.', example: 'NORMAL' },
  {
    name: 'ticket.url',
    description:
      'Where people of your organization see the ticket; empty unless `ticketUrl` is set in the notification policy.',
    example: 'https://desk.contoso.example/tickets/1234',
  },
  {
    name: 'group.name',
    description: 'The group of the ticket; empty when it has none.',
    example: 'Printers',
  },
  {
    name: 'requester.name',
    description: 'Who asked: the name, or the address where no name is known.',
    example: 'Carol Customer',
  },
  { name: 'requester.address', description: 'The address of who asked.', example: 'carol@fabrikam.example' },
  {
    name: 'assignee.name',
    description: 'Who works on the ticket; empty when nobody does.',
    example: 'Alex Agent',
  },
];

/** Only in mail to people of the organization. */
const INTERNAL: readonly TemplateVariable[] = [
  {
    name: 'message.text',
    description:
      'What was written last, without quoted history. Never in mail to customers: senders can be forged.',
    example: 'It was only warm this morning.\n\nPlease come quickly.',
  },
  {
    name: 'message.senderName',
    description: 'Who wrote it: the name, or the address.',
    example: 'Carol Customer',
  },
  {
    name: 'message.senderAddress',
    description: 'The address of who wrote it.',
    example: 'carol@fabrikam.example',
  },
];

const ACTOR: TemplateVariable = {
  name: 'actor.name',
  description: 'Who assigned the ticket; empty when a rule did.',
  example: 'Olivia Owner',
};

/** What templates of each kind can show. */
export const VARIABLES: Readonly<Record<NotificationKind, readonly TemplateVariable[]>> = {
  RECEIVED: COMMON,
  CLOSED: COMMON,
  REPLIED: [...COMMON, ...INTERNAL],
  ASSIGNED: [...COMMON, ...INTERNAL, ACTOR],
};

/** The examples of a kind, nested as templates name them. */
export function sampleVariables(kind: NotificationKind): TemplateVariables {
  const sample: Record<string, Record<string, string>> = {};
  for (const { name, example } of VARIABLES[kind]) {
    const [object = '', property = ''] = name.split('.');
    sample[object] = { ...sample[object], [property]: example };
  }
  return sample;
}
