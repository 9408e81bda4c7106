import { control, createDesk, type Desk } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { ADMIN_KEY, type Fleet } from './fleet.ts';
import { uuidOf } from './organizations.ts';

/** Tickets of one request for tickets. */
const PAGE = 100;

/** A customer's question, to which replies go. */
export interface StagedTicket {
  /** Its global id in the API. */
  id: string;
  /** Who asked, and gets the replies. */
  requester: string;
  /** What answers it: the mailbox that they wrote to, or for a ticket that was opened by hand one that is named. */
  from: StagedSender;
  /** Another mailbox that may answer it; null where there is none. */
  other: StagedSender | null;
  /** Whether it was opened by hand: the first reply begins a conversation. */
  isByHand: boolean;
}

/** A mailbox to send from. */
export interface StagedSender {
  mailbox: string;
  /** The global id of the identity that is asked for; null: nobody asks for one. */
  identityId: string | null;
}

/** Mailboxes that send, customers, and their tickets. */
export interface SendStage {
  desk: Desk;
  mailboxes: string[];
  customers: string[];
  tickets: StagedTicket[];
}

/**
 * How Exchange treats each mailbox: no two alike. A copy comes at once, from the Outbox or out of nowhere after a while, and
 * now and then under another id.
 */
const RULES: readonly object[] = [
  {},
  { sentCopyDelayMs: 1_500 },
  { sentCopyDelayMs: 2_500, whileSending: 'NOWHERE' },
  { sentCopyDelayMs: 800, whileSending: 'NOWHERE', newIdAfterSend: true },
  { sentCopyDelayMs: 20_000, deliveryDelayMs: 3_000 },
  { sentCopyDelayMs: 15_000, whileSending: 'NOWHERE' },
];

/** Connects the mailboxes, switches sending on and lets customers write: so many tickets in each mailbox. */
export async function setUpSending(
  fleet: Fleet,
  counts: { mailboxes: number; customers: number; ticketsPerMailbox: number },
): Promise<SendStage> {
  const { emulator, members } = fleet;
  const customers = range(counts.customers).map((index) => `customer-${index}@fabrikam.example`);
  for (const address of customers) await control(emulator.url, 'mailboxes', { address });
  const api = members[0]?.url ?? '';
  const asked = createDesk(api, emulator, '', ADMIN_KEY);
  const { organization } = await asked.request<{ organization: { id: string } }>('{ organization { id } }');
  const desk = createDesk(api, emulator, uuidOf(organization.id), ADMIN_KEY);
  await desk.withoutStormLimits();
  const mailboxes: string[] = [];
  const senders: StagedSender[] = [];
  for (const index of range(counts.mailboxes)) {
    const address = `desk-${index}@contoso.example`;
    const { mailboxId } = await desk.connectMailbox(address, 'SENDING');
    mailboxes.push(address);
    const rules = { ...RULES[index % RULES.length], overLimit: 'REFUSE', messagesPerMinute: 31 };
    await control(emulator.url, `mailboxes/${address}/sending`, rules, 'PUT');
    const mails = range(counts.ticketsPerMailbox).map((ticket) => ({
      to: address,
      from: customers[(index * counts.ticketsPerMailbox + ticket) % customers.length],
      subject: `Question ${index}/${ticket}`,
      text: `Something is broken (${index}/${ticket}).`,
    }));
    await desk.enable(mailboxId);
    await enableSending(desk, mailboxId);
    senders.push({ mailbox: address, identityId: await primaryIdentity(desk, mailboxId) });
    await control(emulator.url, 'mail', mails);
    await desk.sync(mailboxId);
  }
  const wanted = counts.mailboxes * counts.ticketsPerMailbox;
  const mailed = await eventually(
    `${wanted} tickets are there`,
    async () => {
      const found = await readTickets(desk, senders);
      return found.length >= wanted && found;
    },
    120_000,
  );
  const byHand: StagedTicket[] = [];
  for (const [index, from] of senders.entries()) {
    const requester = customers[index % customers.length] ?? '';
    const id = await openByHand(desk, requester, `Call ${index}`);
    byHand.push({ id, requester, from, other: null, isByHand: true });
  }
  return { desk, mailboxes, customers, tickets: [...mailed, ...byHand] };
}

/** The mailbox after this one. */
function otherSender(senders: readonly StagedSender[], mailbox: string): StagedSender | null {
  const own = senders.findIndex((one) => one.mailbox === mailbox);
  const next = senders[(own + 1) % senders.length];
  return next === undefined || next.mailbox === mailbox ? null : next;
}

async function openByHand(desk: Desk, requesterEmail: string, subject: string): Promise<string> {
  const { createTicket } = await desk.request<{
    createTicket: { ticket?: { id: string }; message?: string };
  }>(
    `mutation ($input: CreateTicketInput!) { createTicket(input: $input) {
       ... on CreateTicketPayload { ticket { id } } ... on Error { message } } }`,
    { input: { requesterEmail, subject, text: 'They called.' } },
  );
  if (!createTicket.ticket) throw new Error(createTicket.message);
  return createTicket.ticket.id;
}

async function primaryIdentity(desk: Desk, mailboxId: string): Promise<string> {
  const { node } = await desk.request<{ node: { identities: { id: string; kind: string }[] } }>(
    'query ($id: ID!) { node(id: $id) { ... on Mailbox { identities { id kind } } } }',
    { id: mailboxId },
  );
  const primary = node.identities.find(({ kind }) => kind === 'PRIMARY');
  if (!primary) throw new Error('The mailbox has no primary identity.');
  return primary.id;
}

async function enableSending(desk: Desk, mailboxId: string): Promise<void> {
  const { updateOutgoingSettings } = await desk.request<{ updateOutgoingSettings: { message?: string } }>(
    `mutation ($id: ID!) { updateOutgoingSettings(input: { mailboxId: $id, enabled: true }) {
       ... on Error { message } } }`,
    { id: mailboxId },
  );
  if (updateOutgoingSettings.message) throw new Error(updateOutgoingSettings.message);
}

async function readTickets(desk: Desk, senders: readonly StagedSender[]): Promise<StagedTicket[]> {
  const tickets: StagedTicket[] = [];
  for (let after: string | null = null; ; ) {
    const { tickets: page }: TicketPage = await desk.request<TicketPage>(
      `query ($after: String) { tickets(first: ${PAGE}, after: $after) {
         pageInfo { hasNextPage endCursor }
         edges { node { id requester { emailAddress } mailbox { emailAddress } } } } }`,
      { after },
    );
    for (const { node } of page.edges) {
      const mailbox = node.mailbox?.emailAddress ?? '';
      tickets.push({
        id: node.id,
        requester: node.requester.emailAddress,
        from: { mailbox, identityId: null },
        other: otherSender(senders, mailbox),
        isByHand: false,
      });
    }
    if (!page.pageInfo.hasNextPage) return tickets;
    after = page.pageInfo.endCursor;
  }
}

interface TicketPage {
  tickets: {
    pageInfo: { hasNextPage: boolean; endCursor: string | null };
    edges: {
      node: { id: string; requester: { emailAddress: string }; mailbox: { emailAddress: string } | null };
    }[];
  };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
