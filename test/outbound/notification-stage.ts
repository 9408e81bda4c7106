import { forkFor } from '../../src/platform/database.ts';
import { type Customer, newCustomer } from '../send/customer.ts';
import type { Desk, TestApp } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { openTicket } from './reply-desk.ts';

/** What was decided about telling somebody. */
export interface Decision {
  kind: string;
  outcome: string;
  reason: string | null;
  recipient: string | null;
  explanation: string;
  outboundMessage: { id: string; state: string } | null;
}

/** A desk whose notifications are looked at. */
export interface Stage {
  app: TestApp;
  desk: Desk;
  mailboxId: string;
  address: string;
  fork(): ReturnType<typeof forkFor>;
}

/** A desk whose mailbox takes mail in and may send. */
export async function openStage(app: TestApp): Promise<Stage> {
  const desk = await app.newDesk('Contoso');
  const mailbox = await desk.connectMailbox(undefined, { sends: true });
  await desk.enable(mailbox.mailboxId);
  return { app, desk, ...mailbox, fork: () => forkFor(app.database, desk.organizationId) };
}

/** Calls a mutation by its name, and gives its payload or its error. */
export async function mutate<Payload = Record<string, unknown>>(
  desk: Pick<Desk, 'request'>,
  name: string,
  input: object,
  fields: string,
): Promise<Payload & { code?: string }> {
  const type = name.charAt(0).toUpperCase() + name.slice(1);
  const answer = await desk.request<Record<string, Payload & { code?: string }>>(
    `mutation ($input: ${type}Input!) { ${name}(input: $input) {
       ... on ${type}Payload { ${fields} } ... on Error { code message } } }`,
    { input },
  );
  return answer[name] as Payload & { code?: string };
}

/** The fields that show the switches of a mailbox or group. */
export const SWITCHES = 'notifications { kind enabled inherited }';
export const switchOn = (desk: Desk, kind: string, owner: object, value: object = { enabled: true }) =>
  mutate(desk, 'updateNotificationSettings', { kind, ...owner, ...value }, SWITCHES);

/** Everything that was decided about a ticket. */
export async function decisions(desk: Desk, ticketId: string): Promise<Decision[]> {
  const { notifications } = await desk.request<{ notifications: { edges: { node: Decision }[] } }>(
    `query ($id: ID!) { notifications(ticketId: $id, first: 50) { edges { node {
       kind outcome reason recipient explanation outboundMessage { id state } } } } }`,
    { id: ticketId },
  );
  return notifications.edges.map(({ node }) => node);
}

/** Waits until so much was decided about one kind. */
export const decided = (desk: Desk, ticketId: string, kind: string, count = 1) =>
  eventually(`${kind} is decided`, async () => {
    const found = (await decisions(desk, ticketId)).filter((one) => one.kind === kind);
    return found.length >= count && found;
  });

/** Opens a ticket by mail. */
export const open = ({ app, desk, mailboxId, address }: Stage, mail: object = {}) =>
  openTicket(app, desk, mailboxId, { to: address, subject: 'Printer on fire', ...mail });
export const update = (desk: Pick<Desk, 'request'>, ticketId: string, change: object) =>
  mutate(desk, 'updateTicket', { ticketId, ...change }, 'ticket { id }');
/** The address of somebody new. */
export const address = () => `c-${crypto.randomUUID().slice(0, 8)}@fabrikam.example`;

/** An agent with a mailbox in the emulator. */
export async function newAgent(
  stage: Stage,
): Promise<{ id: string; emailAddress: string; customer: Customer }> {
  const customer = await newCustomer(stage.app.emulator, { displayName: 'Alex Agent' });
  const { user } = await mutate<{ user: { id: string } }>(
    stage.desk,
    'createUser',
    { name: 'Alex Agent', emailAddress: customer.address, role: 'AGENT' },
    'user { id }',
  );
  return { id: user.id, emailAddress: customer.address, customer };
}

/** Waits until everything that has happened was handled: a closing of another ticket is told of last. */
export async function settled(stage: Stage): Promise<void> {
  const ticket = await mutate<{ ticket: { id: string } }>(
    stage.desk,
    'createTicket',
    { subject: 'Marker', text: 'x', requesterEmail: 'no-reply@marker.example' },
    'ticket { id }',
  );
  const group = await mutate<{ group: { id: string } }>(
    stage.desk,
    'createGroup',
    { name: crypto.randomUUID() },
    'group { id }',
  );
  await switchOn(stage.desk, 'CLOSED', { groupId: group.group.id });
  await update(stage.desk, ticket.ticket.id, { groupId: group.group.id });
  await update(stage.desk, ticket.ticket.id, { status: 'CLOSED' });
  await decided(stage.desk, ticket.ticket.id, 'CLOSED');
}
