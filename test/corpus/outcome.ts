import type { Desk } from '../support/app.ts';

const PERSON = '{ name emailAddress }';
const MESSAGE = `id kind subject from ${PERSON} to ${PERSON} cc ${PERSON} text strippedText quotedText hasQuotedText isShortened
  signature html automatic protection sentAt receivedAt internetMessageId
  bounce { action recipient status reason } forwardedFrom ${PERSON}
  invitation { method summary location startsAt endsAt localStart timeZone isAllDay organizer ${PERSON} }
  inlineImages { contentId }
  attachments { name contentType sizeBytes sha256 isInline contentId state link downloadUrl problem { code message } }`;
const TICKETS = `{ tickets(first: 20, orderBy: { field: NUMBER, direction: ASC }) { edges { node {
  id number subject status priority tags requester ${PERSON} mailbox { emailAddress }
  followUpOf { number } copyOf { number } group { name } assignee { name } problem { code message }
} } } }`;
/** Of one ticket at a time: all at once would be more than a request may ask for. */
const MESSAGES = `query ($id: ID!) { ticket(id: $id) { messages(first: 40) { edges { node { ${MESSAGE} } } } } }`;
const LEDGER = `{ inboundMessages(first: 100) { edges { node {
  outcome reason explanation subject from internetMessageId mailbox { emailAddress } ticket { number }
  message { subject ticket { number } } archiveState copyState problem { code } } } } }`;

type Node = Record<string, never>;
interface Edges<T> {
  edges: { node: T }[];
}
/** A message as the public API shows it. */
export interface ShownMessage {
  id: string;
  kind: string;
  subject: string;
  text: string;
  attachments: { state: string; name: string; sizeBytes: number; downloadUrl: string | null }[];
}
/** A ticket as the public API shows it: mail in `messages`, the texts of notes in `notes`. */
export interface ShownTicket {
  id: string;
  number: number;
  messages: ShownMessage[];
  notes: string[];
}

/** All tickets of an organization by number, and its ledger oldest first: through the public API only. */
export async function outcomeOf(desk: Desk): Promise<{ tickets: ShownTicket[]; ledger: Node[] }> {
  const { inboundMessages } = await desk.request<{ inboundMessages: Edges<Node> }>(LEDGER);
  return {
    tickets: await ticketsOf(desk),
    ledger: inboundMessages.edges.map(({ node }) => node).reverse(),
  };
}

/** All tickets of an organization by number. */
export async function ticketsOf(desk: Desk): Promise<ShownTicket[]> {
  const { tickets } = await desk.request<{ tickets: Edges<{ id: string; number: number }> }>(TICKETS);
  return Promise.all(
    tickets.edges.map(async ({ node }) => {
      const { ticket } = await desk.request<{ ticket: { messages: Edges<ShownMessage> } }>(MESSAGES, {
        id: node.id,
      });
      const all = ticket.messages.edges.map((edge) => edge.node);
      return {
        ...node,
        messages: all.filter(({ kind }) => kind !== 'NOTE'),
        notes: all.filter(({ kind }) => kind === 'NOTE').map(({ text }) => text),
      };
    }),
  );
}
