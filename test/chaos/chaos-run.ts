import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { control } from '../support/app.ts';
import { type Check, checkEvents, checkMail, checkRest } from './checker.ts';
import { startListeners } from './clients.ts';
import { Disturbances } from './disturbances.ts';
import { type ChaosFigures, figuresOf } from './figures.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { wreak } from './havoc.ts';
import { checkIncidents, sortIncidents } from './incidents.ts';
import type { Listener } from './listener.ts';
import { type Stage, setUp } from './organizations.ts';
import { planFaults } from './plan-faults.ts';
import { planTraffic } from './plan-traffic.ts';
import { type RunRecord, readRecord } from './record.ts';
import { settle } from './settling.ts';
import { mailboxesOf } from './stage.ts';
import { type Arrival, checkPolling } from './timeliness.ts';
import { startTimetable } from './timetable.ts';
import { type SentMails, sendTraffic } from './traffic.ts';

/** One polling interval, the longest wait of a job that failed a few times, and room for a busy machine. */
const SETTLE_MILLISECONDS = 240_000;
/** Once everything has arrived, all that is left is a run now and then. */
const REST_MILLISECONDS = 30_000;

/** How a run goes. */
export interface ChaosOptions {
  seed: number;
  /** How long mail arrives and things go wrong. */
  minutes: number;
  log?: (line: string) => void;
  /** Cuts the run short. */
  signal?: AbortSignal;
  /** Looks at the end of the run before everything is taken down: for the control of the checker. */
  inspect?: (ended: EndedRun) => Promise<void>;
}

/** A run that has come to rest. */
export interface EndedRun {
  database: pg.Pool;
  fleet: Fleet;
  stage: Stage;
  listeners: readonly Listener[];
  sent: SentMails;
}

/** What came out. */
export interface ChaosReport {
  seed: number;
  checks: Check[];
  figures: ChaosFigures;
  /** Where the logs of the processes were kept; null when nothing failed. */
  logs: string | null;
}

/** Everything from the start of the fleet to the last check. Leaves no process and no file behind, save logs of a failure. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const folder = await mkdtemp(join(tmpdir(), 'deskgraph-chaos-'));
  let isClean = false;
  try {
    const report = await runIn(folder, options);
    isClean = report.checks.every(({ faults }) => faults.length === 0);
    return { ...report, logs: isClean ? null : join(folder, 'logs') };
  } catch (error) {
    if (!options.signal?.aborted) options.log?.(`the run broke off; logs: ${join(folder, 'logs')}`);
    else isClean = true;
    throw error;
  } finally {
    for (const name of isClean ? ['.'] : ['data', 'pids']) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

async function runIn(folder: string, options: ChaosOptions): Promise<Omit<ChaosReport, 'logs'>> {
  const { seed, minutes, log = () => undefined, signal = new AbortController().signal, inspect } = options;
  const milliseconds = minutes * 60_000;
  const calmMilliseconds = Math.min(15_000, milliseconds / 6);
  const mailboxes = mailboxesOf(minutes);
  const deliveries = planTraffic(seed, milliseconds, mailboxes);
  const faults = planFaults(seed, milliseconds, calmMilliseconds, mailboxes);
  await using cleanup = new AsyncDisposableStack();
  const fleet = cleanup.use(await startFleet(folder, seed));
  signal.throwIfAborted();
  const stage = await setUp(fleet, mailboxes);
  const database = new pg.Pool({ connectionString: fleet.postgres.url, max: 2 });
  database.on('error', () => undefined); // it is restarted all the time
  cleanup.defer(() => database.end());
  const listeners = await startListeners(fleet, stage, seed);
  cleanup.defer(async () => {
    await Promise.all(listeners.map((listener) => listener.stop()));
  });
  const mails = deliveries.reduce((sum, delivery) => sum + delivery.mails.length, 0);
  log(
    `fleet ready: ${mails} mails into ${mailboxes.length} mailboxes, ${faults.length} faults in ${minutes} min`,
  );

  const answered = new Set(
    deliveries.flatMap(({ mails }) => mails.flatMap(({ inReplyTo }) => inReplyTo ?? [])),
  );
  const sent: SentMails = new Map();
  const disturbances = new Disturbances();
  const timetable = startTimetable(signal);
  await Promise.all([
    sendTraffic(fleet.emulator.url, stage, deliveries, timetable, sent),
    wreak({ fleet, stage, listeners, answered }, faults, timetable, disturbances, log),
  ]);
  log('all mail is sent and all faults are over; waiting for the rest');
  const settlingSince = performance.now();
  const rest = await settle(database, mails, listeners, SETTLE_MILLISECONDS, signal);
  log(rest === null ? 'everything has arrived' : `gave up waiting: ${rest}`);
  const settleSeconds = (performance.now() - settlingSince) / 1_000;
  const again = await readAllAgain(fleet, stage);
  const record = await recordAtRest({ database, fleet, stage, listeners, sent }, mails, signal);
  const clients = listeners.map((listener) => listener.record);
  const storedAt = new Map(record.messages.map((row) => [row.internet_message_id, row.stored_at]));
  const arrivals: Arrival[] = [...sent].flatMap(([messageId, { mailbox, sentAt }]) => {
    const stored = storedAt.get(messageId);
    return stored === undefined ? [] : [{ mailbox, messageId, sentAt, storedAt: stored }];
  });
  const incidents = sortIncidents(
    fleet.members.flatMap((member) => member.incidents),
    disturbances.all,
  );
  const checks = [
    { name: 'everything came to rest in time', faults: rest === null ? [] : [rest] },
    { name: 'reading every folder again from the beginning succeeds', faults: again },
    ...checkMail(record, stage.mailboxes, [...sent.keys()]),
    ...checkEvents(record, clients),
    ...checkRest(record),
    checkPolling(arrivals, disturbances.all),
    ...checkIncidents(incidents),
  ];
  const figures = figuresOf({
    fleet,
    record,
    clients,
    arrivals,
    disturbances: disturbances.all,
    incidents,
    settleSeconds,
  });
  await inspect?.({ database, fleet, stage, listeners, sent });
  return { seed, checks, figures };
}

/**
 * What there is when no sync run is under way. One may begin between the look that finds everything at rest and the reading:
 * a poll, or for a notification that comes late. It ends; one that is left open is still there when the time is up.
 */
async function recordAtRest(run: EndedRun, mails: number, signal: AbortSignal): Promise<RunRecord> {
  const { database, fleet, stage, listeners } = run;
  const startedAt = performance.now();
  for (;;) {
    await settle(database, mails, listeners, REST_MILLISECONDS, signal);
    const client = await database.connect();
    const record = await readRecord(client, fleet.emulator.url, stage).finally(() => client.release());
    const isUnderWay = record.openRuns.some(({ state }) => state !== 'FAILED');
    if (!isUnderWay || performance.now() - startedAt > REST_MILLISECONDS) return record;
  }
}

/** Every delta link expires, and each folder is listed anew: what repetition would double has its chance. */
async function readAllAgain(fleet: Fleet, stage: Stage): Promise<string[]> {
  await control(fleet.emulator.url, 'delta/expire', {});
  const faults: string[] = [];
  for (const mailbox of stage.mailboxes) {
    const { desk } = stage.organizations[mailbox.organization];
    const state = await desk.sync(mailbox.id).then(
      (run) => run.state,
      (error: Error) => error.message,
    );
    if (state !== 'SUCCEEDED') faults.push(`${mailbox.address}: ${state}`);
  }
  return faults;
}
