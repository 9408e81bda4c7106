import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { control } from '../support/app.ts';
import type { Check } from './checker.ts';
import { Disturbances } from './disturbances.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { checkIncidents, countByMessage, sortIncidents } from './incidents.ts';
import { checkSending, readSendRecord, type SendRecord } from './send-checker.ts';
import { Deaths } from './send-deaths.ts';
import { type SendHavoc, wreakWhileSending } from './send-havoc.ts';
import { type SendStage, setUpSending } from './send-stage.ts';
import { planMore, planReplies, type QueuedReply, queueReplies } from './send-traffic.ts';

/** As far from the machine as Microsoft. */
const LATENCY_MILLISECONDS = 50;

/** Replies are added until somebody has died at every point: so many at a time, and so often at most. */
const MORE_REPLIES = 6;
const MORE_ROUNDS = 10;

/** What the schedule asks for each minute. */
const SWEEP =
  "select graphile_worker.add_job('outbound.sweep', payload := '{}', job_key := 'outbound.sweep:all', max_attempts := 1)";

/** How a run goes. */
export interface SendChaosOptions {
  seed: number;
  replies: number;
  mailboxes: number;
  ticketsPerMailbox: number;
  /** How long an unclear send is left alone; the server itself waits for minutes. */
  settleMilliseconds: number;
  havoc: Omit<SendHavoc, 'seed'>;
  /** Things go wrong until this part of the replies is sent and a worker has died everywhere; the rest goes in peace. */
  calmAfter: number;
  /** In peace the sweep of the outbox comes every few seconds, not each minute: a short run would mostly wait for it. */
  isSweptOften?: boolean;
  /** How often a worker dies at each fault point, about. */
  deathsPerPoint: number;
  /** For how many points a worker waits at once, and dies at the first that it passes. 1 when left out. */
  pointsAtOnce?: number;
  /** After so long without an end the run has failed. */
  deadlineMilliseconds: number;
  log?: (line: string) => void;
  signal?: AbortSignal;
  /** Looks at the end of the run before everything is taken down: for the control of the checker. */
  inspect?: (ended: { fleet: Fleet; stage: SendStage; record: () => Promise<SendRecord> }) => Promise<void>;
}

/** What came out. */
export interface SendChaosReport {
  seed: number;
  checks: Check[];
  figures: {
    replies: number;
    withFiles: number;
    withQuotes: number;
    /** Of tickets that were opened by hand. */
    inNewConversations: number;
    /** From another mailbox than the one that was written to. */
    fromOtherMailboxes: number;
    seconds: number;
    /** Workers that died by their own hand, by where they did. */
    deaths: Record<string, number>;
    kills: number;
    databaseRestarts: number;
    requests: Record<string, number>;
    /** What the processes complained of besides the database being away. */
    complaints: Record<string, number>;
  };
  /** Where the logs of the processes were kept; null when nothing failed. */
  logs: string | null;
}

/** Everything from the start of the fleet to the last check. Leaves nothing behind, save the logs of a failure. */
export async function runSendChaos(options: SendChaosOptions): Promise<SendChaosReport> {
  const folder = await mkdtemp(join(tmpdir(), 'deskgraph-send-chaos-'));
  let isClean = false;
  try {
    const report = await runIn(folder, options);
    isClean = report.checks.every(({ faults }) => faults.length === 0);
    return { ...report, logs: isClean ? null : join(folder, 'logs') };
  } catch (error) {
    if (options.signal?.aborted) isClean = true;
    else options.log?.(`the run broke off; logs: ${join(folder, 'logs')}`);
    throw error;
  } finally {
    for (const name of isClean ? ['.'] : ['data', 'pids']) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

async function runIn(folder: string, options: SendChaosOptions): Promise<Omit<SendChaosReport, 'logs'>> {
  const { seed, replies, log = () => undefined, signal = new AbortController().signal } = options;
  await using cleanup = new AsyncDisposableStack();
  const deaths = new Deaths(folder, seed, {
    perPoint: options.deathsPerPoint,
    atOnce: options.pointsAtOnce ?? 1,
  });
  const fleet = cleanup.use(await startFleet(folder, seed, fleetOf(deaths, options.settleMilliseconds)));
  signal.throwIfAborted();
  const customers = Math.min(20, options.mailboxes * 2);
  const stage = await setUpSending(fleet, { ...options, customers });
  const database = new pg.Pool({ connectionString: fleet.postgres.url, max: 2 });
  database.on('error', () => undefined); // it is restarted all the time
  cleanup.defer(() => database.end());
  log(
    `fleet ready: ${replies} replies, ${stage.tickets.length} tickets in ${stage.mailboxes.length} mailboxes`,
  );

  const startedAt = performance.now();
  await control(fleet.emulator.url, 'requests', undefined, 'DELETE');
  const disturbances = new Disturbances();
  const calm = new AbortController();
  const workers = fleet.members.filter(({ name }) => name.startsWith('worker'));
  const until = AbortSignal.any([signal, calm.signal]);
  const havoc = wreakWhileSending(fleet, { seed, ...options.havoc }, disturbances, until);
  havoc.catch(() => undefined);
  const apiUrl = fleet.members[0]?.url ?? '';
  const queued: QueuedReply[] = [];
  const note = (reply: QueuedReply) => {
    queued.push(reply);
    if (queued.length % 100 === 0) log(`${queued.length} replies queued`);
  };
  await queueReplies(stage, planReplies(stage.tickets, replies, seed), { apiUrl, signal }, note);
  log('all replies are queued');
  const calmDown = (sent: number) => {
    const isEnough = sent >= replies * options.calmAfter && disturbances.all.length > 0;
    if (!isEnough || !deaths.isComplete || calm.signal.aborted) return;
    log(`${sent} replies are sent, and nothing more goes wrong`);
    calm.abort();
  };
  const sweep = async () => {
    if (options.isSweptOften && calm.signal.aborted) await database.query(SWEEP).catch(() => undefined);
  };
  const waiting = { ...options, startedAt, signal, log, calmDown, sweep };
  let rest = await waitForEnd(database, queued.length, deaths, waiting);
  for (let round = 1; round <= MORE_ROUNDS && rest === null && !deaths.isComplete; round += 1) {
    log(`some points were passed by nobody who waited for them: ${JSON.stringify(deaths.counts)}`);
    await queueReplies(stage, planMore(queued, MORE_REPLIES), { apiUrl, signal }, note);
    rest = await waitForEnd(database, queued.length, deaths, waiting);
  }
  deaths.isOver = true;
  calm.abort();
  await havoc;
  // Once more without anything to die at, so that the rest is done in peace.
  await Promise.all(fleet.members.map((member) => member.ready()));
  const seconds = (performance.now() - startedAt) / 1_000;
  log(rest === null ? 'everything was sent' : `gave up waiting: ${rest}`);
  const record = () => readSendRecord(fleet.emulator.url, database, stage, queued);
  const ended = await settled(record, signal);

  const incidents = sortIncidents(
    fleet.members.flatMap((member) => member.incidents).filter(({ text }) => !/SIGKILL/.test(text)),
    disturbances.all,
  );
  const report = await control<{ operations: Record<string, number> }>(fleet.emulator.url, 'requests');
  const figures = {
    replies: queued.length,
    withFiles: queued.filter(({ files }) => files.length > 0).length,
    withQuotes: queued.filter(({ includeQuote, ticket }) => includeQuote && !ticket.isByHand).length,
    inNewConversations: queued.filter(({ ticket }) => ticket.isByHand).length,
    fromOtherMailboxes: queued.filter(({ from, ticket }) => from.mailbox !== ticket.from.mailbox).length,
    seconds: Math.round(seconds),
    deaths: deaths.counts,
    kills: workers.reduce((sum, { kills }) => sum + kills, 0),
    databaseRestarts: disturbances.all.length,
    requests: report.operations,
    complaints: countByMessage(incidents.unexpected),
  };
  const checks = [
    { name: 'everything was sent in time', faults: rest === null ? [] : [rest] },
    {
      name: 'a worker died at every fault point',
      faults: Object.entries(deaths.counts).flatMap(([point, count]) => (count > 0 ? [] : [point])),
    },
    ...checkSending(ended),
    ...checkIncidents(incidents),
  ];
  await options.inspect?.({ fleet, stage, record });
  return { seed, checks, figures };
}

function fleetOf(deaths: Deaths, settleMilliseconds: number): Parameters<typeof startFleet>[2] {
  return {
    latencyMs: LATENCY_MILLISECONDS,
    members: [
      ['api-1', 'api'],
      ['worker-1', 'worker'],
      ['worker-2', 'worker'],
    ],
    startOf: (name, role) =>
      role === 'api'
        ? {}
        : {
            entry: 'test/chaos/send-member.ts',
            moreEnv: () => ({ ...deaths.envFor(name), CHAOS_SETTLE_MS: String(settleMilliseconds) }),
          },
  };
}

/** Until nothing is to be sent any more and somebody has died everywhere; gives what is left when that takes too long. */
async function waitForEnd(
  database: pg.Pool,
  replies: number,
  deaths: Deaths,
  run: {
    startedAt: number;
    deadlineMilliseconds: number;
    signal: AbortSignal;
    log: (line: string) => void;
    calmDown: (sent: number) => void;
    sweep: () => Promise<void>;
  },
): Promise<string | null> {
  for (let round = 1; ; round += 1) {
    await sleep(500, undefined, { signal: run.signal });
    const states = await statesOf(database);
    const line = `${JSON.stringify(states)}; deaths ${JSON.stringify(deaths.counts)}`;
    if (states !== null && states['SENT'] === replies) return null;
    run.calmDown(states?.['SENT'] ?? 0);
    if (round % 6 === 0) await run.sweep();
    if (performance.now() - run.startedAt > run.deadlineMilliseconds) return line;
    if (round % 40 === 0) run.log(line);
  }
}

/** Null while the database is away. */
async function statesOf(database: pg.Pool): Promise<Record<string, number> | null> {
  try {
    const { rows } = await database.query<{ state: string; count: number }>(
      'select state, count(*)::int as count from outbound_message group by state',
    );
    return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
  } catch {
    return null;
  }
}

/** Copies and drafts that are left over are looked after a little later: until then, or for two minutes. */
async function settled(record: () => Promise<SendRecord>, signal: AbortSignal): Promise<SendRecord> {
  const startedAt = performance.now();
  for (;;) {
    const now = await record();
    const isRight = checkSending(now).every(({ faults }) => faults.length === 0);
    if (isRight || performance.now() - startedAt > 120_000) return now;
    await sleep(1_000, undefined, { signal });
  }
}
