import { parseArgs } from 'node:util';
import { type Control, tryControls } from './send-controls.ts';
import { runSendChaos, type SendChaosReport } from './send-run.ts';

/** Of one check so many faults are shown. */
const MOST_FAULTS = 10;
/** Exchange takes 30 a minute from each: with so many 1,000 replies are sent in three minutes, were nothing to go wrong. */
const MAILBOXES = 12;
const REPLIES_PER_TICKET = 4;

/**
 * `npm run chaos:send -- --seed 1 --replies 1000`: exits with 1 when a check fails, or when a control shows that the checks
 * are blind; with 130 after Ctrl-C.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    replies: { type: 'string', default: '1000' },
  },
});
const seed = Number(values.seed);
const replies = Number(values.replies);
const isSeed = Number.isInteger(seed) && seed >= 0 && seed <= 0xffff_ffff;
if (!isSeed || !Number.isInteger(replies) || replies < 1 || replies > 100_000) {
  process.stderr.write('Usage: npm run chaos:send -- --seed <0 to 4294967295> --replies <1 to 100000>\n');
  process.exit(2);
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interrupted.abort(new Error(`Interrupted by ${signal}.`)));
}
const startedAt = performance.now();
const write = (line: string) => void process.stdout.write(`${line}\n`);

let controls: Control[] = [];
try {
  const report = await runSendChaos({
    seed,
    replies,
    mailboxes: MAILBOXES,
    ticketsPerMailbox: Math.max(1, Math.ceil(replies / MAILBOXES / REPLIES_PER_TICKET)),
    settleMilliseconds: 10_000,
    havoc: { killEvery: [5_000, 20_000], databaseEvery: [30_000, 60_000] },
    deathsPerPoint: 4,
    calmAfter: 0.9,
    deadlineMilliseconds: 300_000 + replies * 2_000,
    signal: interrupted.signal,
    inspect: async (ended) => {
      controls = await tryControls(ended);
    },
    log: (line) => write(`[${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)}] ${line}`),
  });
  show(report);
  process.exitCode = report.logs === null && controls.every(isFound) ? 0 : 1;
} catch (error) {
  write(error instanceof Error ? (error.stack ?? error.message) : String(error));
  write(`seed ${seed}`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}

function isFound({ finder, failed }: Control): boolean {
  return failed.includes(finder);
}

function show({ checks, figures, logs }: SendChaosReport): void {
  write(JSON.stringify(figures, null, 2));
  for (const { name, faults } of checks) {
    write(`${faults.length === 0 ? 'ok    ' : 'FAILED'} ${name}`);
    for (const fault of faults.slice(0, MOST_FAULTS)) write(`         ${fault}`);
    if (faults.length > MOST_FAULTS) write(`         … and ${faults.length - MOST_FAULTS} more`);
  }
  for (const one of controls) {
    write(`${isFound(one) ? 'ok    ' : 'FAILED'} control: ${one.name}, made on purpose, is found`);
  }
  if (logs !== null) write(`logs: ${logs}`);
  const failed = checks.filter(({ faults }) => faults.length > 0).length;
  write(`${checks.length - failed} passed, ${failed} failed`);
  write(`seed ${seed}`);
}
