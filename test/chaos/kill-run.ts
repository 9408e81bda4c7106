import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { findEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { control, createDesk, type Desk, freePort } from '../support/app.ts';
import { deliverMany } from '../support/mail.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { eventually } from '../support/wait.ts';
import { seededRandom } from './random.ts';

/** How a run goes. */
export interface KillRunOptions {
  seed: number;
  /** Mails to deliver; a fifth of them are replies. */
  messages: number;
  /** How often the server is killed while it syncs. */
  kills: number;
  /** How long everything may take to arrive after the last kill. */
  deadlineMilliseconds: number;
  log?: (line: string) => void;
}

/** What was delivered, and what is in the database. */
export interface KillRunReport {
  delivered: number;
  deliveredReplies: number;
  ledgerRows: number;
  /** Ledger rows by outcome. */
  outcomes: Record<string, number>;
  tickets: number;
  messages: number;
  /** Message-IDs that became more than one message. */
  doubled: string[];
  /** Message-IDs that were delivered and became none. */
  lost: string[];
  /** Replies that are not in the ticket of the mail that they answer. */
  misplaced: string[];
  /** Ledger rows at each kill: a kill at 0 or at the end proves little. */
  rowsAtKills: number[];
  seconds: number;
}

const ADMIN_KEY = 'dg_chaos-run-admin-key-0123456789abcdefghij';

/**
 * Delivers mail into a mailbox of the emulator, kills the server with SIGKILL again and again while it syncs, with Graph
 * failing now and then, and compares what was delivered with what the database holds.
 */
export async function killRun(options: KillRunOptions): Promise<KillRunReport> {
  const { seed, messages, kills, deadlineMilliseconds, log = () => undefined } = options;
  const random = seededRandom(seed);
  const dataDirectory = await mkdtemp(join(tmpdir(), 'deskgraph-chaos-'));
  await using emulator = await startEmulator();
  const env = {
    PORT: String(await freePort()),
    DESKGRAPH_DATA_DIR: dataDirectory,
    DESKGRAPH_ADMIN_KEY: ADMIN_KEY,
    MICROSOFT_LOGIN_URL: emulator.loginUrl,
    MICROSOFT_GRAPH_URL: emulator.graphUrl,
    LOG_LEVEL: 'warn',
  };
  let server: ServerProcess = await startServerProcess(env);
  let database: pg.Pool | undefined;
  try {
    const desk = createDesk(server.url, emulator, 'first', ADMIN_KEY);
    const { mailboxId, address } = await desk.connectMailbox();
    await desk.enable(mailboxId, { intervalMinutes: 'MINUTES_1' });
    const url = await findEmbeddedPostgres(dataDirectory);
    // It outlives the server, as PostgreSQL does: only the connection may break when it is adopted.
    database = new pg.Pool({ connectionString: url ?? '', max: 2 });
    database.on('error', () => undefined);
    const { replies, ids } = await deliver(emulator.url, address, messages, random);
    await control(emulator.url, 'faults', { status: 503, probability: 0.05, mailbox: address });
    await control(emulator.url, 'settings', { latencyMs: 20 });
    const startedAt = performance.now();
    await requestSync(desk, mailboxId);
    const rowsAtKills: number[] = [];
    for (let kill = 1; kill <= kills; kill++) {
      // Spread over the run, so that each kill meets it at another place.
      const target = Math.floor((messages * (kill - 0.5 + random() * 0.5)) / (kills + 1));
      await waitForRows(database, target, deadlineMilliseconds);
      await server.kill();
      rowsAtKills.push(await countRows(database));
      log(`kill ${kill}: at ${rowsAtKills.at(-1)} of ${messages} ledger rows`);
      server = await startServerProcess(env);
    }
    await waitForRows(database, messages, deadlineMilliseconds);
    const seconds = (performance.now() - startedAt) / 1_000;
    // One more whole round: whatever would be doubled by repetition has its chance.
    await eventually('a last run succeeds', async () => (await desk.sync(mailboxId)).state === 'SUCCEEDED');
    return { ...(await compare(database, ids, replies)), rowsAtKills, seconds };
  } finally {
    await database?.end();
    await server.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

async function deliver(
  emulatorUrl: string,
  address: string,
  messages: number,
  random: () => number,
): Promise<{ ids: string[]; replies: Map<string, string> }> {
  const ids: string[] = [];
  const replies = new Map<string, string>();
  const mails = Array.from({ length: messages }, (_, index) => {
    const messageId = `<chaos-${index}@fabrikam.example>`;
    // The ten mails before the last ten: some answers come in the page of their question, some pages later.
    const original = index > 20 && random() < 0.2 ? ids[index - 1 - Math.floor(random() * 20)] : undefined;
    ids.push(messageId);
    if (original) replies.set(messageId, original);
    return {
      to: address,
      subject: original ? `Re: Mail ${original}` : `Mail ${messageId}`,
      messageId,
      ...(original ? { inReplyTo: original } : {}),
    };
  });
  for (let start = 0; start < mails.length; start += 500) {
    await deliverMany(emulatorUrl, mails.slice(start, start + 500));
  }
  return { ids, replies };
}

async function requestSync(desk: Desk, mailboxId: string): Promise<void> {
  await desk.request('mutation ($id: ID!) { runSyncNow(input: { mailboxId: $id }) { __typename } }', {
    id: mailboxId,
  });
}

async function countRows(database: pg.Pool): Promise<number> {
  const { rows } = await database.query<{ count: number }>(
    'select count(*)::int as count from inbound_message',
  );
  return rows[0]?.count ?? 0;
}

function waitForRows(database: pg.Pool, target: number, deadlineMilliseconds: number): Promise<true> {
  return eventually(
    `${target} ledger rows`,
    async () => (await countRows(database).catch(() => 0)) >= target,
    deadlineMilliseconds,
  );
}

async function compare(
  database: pg.Pool,
  ids: readonly string[],
  replies: ReadonlyMap<string, string>,
): Promise<Omit<KillRunReport, 'rowsAtKills' | 'seconds'>> {
  const { rows: stored } = await database.query<{ internet_message_id: string; ticket_id: string }>(
    'select internet_message_id, ticket_id from message',
  );
  const { rows: outcomes } = await database.query<{ outcome: string; count: number }>(
    'select outcome, count(*)::int as count from inbound_message group by outcome',
  );
  const { rows: tickets } = await database.query<{ count: number }>(
    'select count(*)::int as count from ticket',
  );
  const ticketsOf = Map.groupBy(stored, (row) => row.internet_message_id);
  const ticketOf = (id: string) => ticketsOf.get(id)?.[0]?.ticket_id;
  return {
    delivered: ids.length,
    deliveredReplies: replies.size,
    ledgerRows: await countRows(database),
    outcomes: Object.fromEntries(outcomes.map(({ outcome, count }) => [outcome, count])),
    tickets: tickets[0]?.count ?? 0,
    messages: stored.length,
    doubled: [...ticketsOf].filter(([, rows]) => rows.length > 1).map(([id]) => id),
    lost: ids.filter((id) => !ticketsOf.has(id)),
    misplaced: [...replies].filter(([id, original]) => ticketOf(id) !== ticketOf(original)).map(([id]) => id),
  };
}
