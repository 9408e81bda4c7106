import { control, type Desk, type TestApp } from '../support/app.ts';
import { type DeliveredMail, deliverMany, type TestMail } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';
import { query } from './push-harness.ts';

/** A mailbox whose mail of three days is in tickets. */
export interface ReconciledMailbox {
  desk: Desk;
  mailboxId: string;
  address: string;
  /** The id in the database. */
  uuid: string;
}

export interface ReconciliationDayFigures extends Figures {
  folder: 'WATCHED' | 'ARCHIVE' | 'ELSEWHERE';
  date: string;
}

export interface Figures {
  listed: number;
  stored: number;
  ignored: number;
  failed: number;
  unrelated: number;
  missing: number;
  repaired: number;
}

export interface ReconciliationFigures extends Figures {
  id: string;
  state: string;
  trigger: string;
  gone: number;
  requests: number;
  isCut: boolean;
  problem: { code: string } | null;
  days: ReconciliationDayFigures[];
}

const COUNTS = 'listed stored ignored failed unrelated missing repaired';
const FIELDS = `id state trigger gone requests isCut ${COUNTS} problem { code }
  days(first: 100) { edges { node { folder date ${COUNTS} } } }`;

/** Connects a mailbox that receives from a month ago on, with the settings given. */
export async function reconciledMailbox(
  app: TestApp,
  settings: Record<string, unknown> = {},
): Promise<ReconciledMailbox> {
  const desk = await app.newDesk();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId, settings);
  const [row] = await query<{ id: string }>(
    app,
    `update mailbox set receive_from = now() - interval '30 days' where email_address = ? returning id`,
    [address],
  );
  // From there on the delta query reads as well.
  await query(
    app,
    'update sync_state set cursor = null, round = null, covered_until = null where mailbox_id = ?',
    [row?.id],
  );
  return { desk, mailboxId, address, uuid: row?.id ?? '' };
}

/** Delivers mails with these subjects, a minute apart, the last of them an hour before now, and syncs. */
export async function receive(
  app: TestApp,
  { desk, mailboxId, address }: ReconciledMailbox,
  mails: readonly (Partial<TestMail> & { subject: string })[],
): Promise<DeliveredMail[]> {
  const delivered = await deliverMany(
    app.emulator.url,
    mails.map((mail, index) => ({
      to: address,
      receivedDateTime: minutesAgo(60 + mails.length - index),
      ...mail,
    })),
  );
  await desk.sync(mailboxId);
  return delivered;
}

export function minutesAgo(minutes: number): string {
  return `${new Date(Date.now() - minutes * 60_000).toISOString().slice(0, 19)}Z`;
}

/** Asks for a reconciliation and gives its id. */
export async function askToReconcile(
  { desk, mailboxId }: ReconciledMailbox,
  input: Record<string, unknown> = {},
): Promise<string> {
  const { reconcileMailbox } = await desk.request<{
    reconcileMailbox: { reconciliation?: { id: string }; code?: string };
  }>(
    `mutation ($input: ReconcileMailboxInput!) { reconcileMailbox(input: $input) {
       ... on ReconcileMailboxPayload { reconciliation { id } } ... on Error { code } } }`,
    { input: { mailboxId, ...input } },
  );
  if (!reconcileMailbox.reconciliation) throw new Error(reconcileMailbox.code);
  return reconcileMailbox.reconciliation.id;
}

export async function reconciliationOf(desk: Desk, id: string): Promise<ReconciliationFigures> {
  const { node } = await desk.request<{
    node: Omit<ReconciliationFigures, 'days'> & { days: { edges: { node: ReconciliationDayFigures }[] } };
  }>(`query ($id: ID!) { node(id: $id) { ... on Reconciliation { ${FIELDS} } } }`, { id });
  return { ...node, days: node.days.edges.map((edge) => edge.node) };
}

export function reconciliationEnds(desk: Desk, id: string): Promise<ReconciliationFigures> {
  return eventually('the reconciliation ends', async () => {
    const figures = await reconciliationOf(desk, id);
    return !['QUEUED', 'RUNNING'].includes(figures.state) && figures;
  });
}

/** Reconciles and waits for the end. */
export async function reconcile(
  mailbox: ReconciledMailbox,
  input: Record<string, unknown> = {},
): Promise<ReconciliationFigures> {
  return reconciliationEnds(mailbox.desk, await askToReconcile(mailbox, input));
}

/** What the tables hold of a mailbox, without what may change when nothing happens. */
export async function contentsOf(
  app: TestApp,
  { uuid }: ReconciledMailbox,
): Promise<Record<string, unknown[]>> {
  return {
    ledger: await query(
      app,
      `select graph_message_id, outcome, reason, ticket_id, message_id, attempts, archive_state, content_digest
       from inbound_message where mailbox_id = ? order by graph_message_id`,
      [uuid],
    ),
    messages: await query(
      app,
      `select id, ticket_id, internet_message_id, subject from message where mailbox_id = ? order by id`,
      [uuid],
    ),
    tickets: await query(
      app,
      'select id, number, subject, status, version from ticket where mailbox_id = ? order by id',
      [uuid],
    ),
  };
}

/** How often each subject is a message, by subject. */
export async function messagesBySubject(
  app: TestApp,
  { uuid }: ReconciledMailbox,
): Promise<Record<string, number>> {
  const rows = await query<{ subject: string; messages: number }>(
    app,
    `select message.subject, count(*)::int as messages from message join ticket on ticket.id = message.ticket_id
     where message.mailbox_id = ? group by message.subject order by 1`,
    [uuid],
  );
  return Object.fromEntries(rows.map(({ subject, messages }) => [subject, messages]));
}

/** Runs SQL behind Deskgraph's back, past the foreign keys, as a restored or damaged table would have it. */
export async function behindOurBack(app: TestApp, sql: string, parameters: unknown[] = []): Promise<void> {
  await app.database.em.fork().transactional(async (em) => {
    await em.execute('set local session_replication_role = replica');
    await em.execute(sql, parameters);
  });
}

/** How many requests of a mailbox listed a folder's mail, by the emulator's own count. */
export async function listingRequests(app: TestApp, address: string): Promise<number> {
  const { operations } = await control<{ operations: Record<string, number> }>(
    app.emulator.url,
    `requests?mailbox=${encodeURIComponent(address)}`,
  );
  return Object.entries(operations)
    .filter(([operation]) => /^GET .*mailFolders\/[^/]+\/messages$/.test(operation))
    .reduce((sum, [, count]) => sum + count, 0);
}
