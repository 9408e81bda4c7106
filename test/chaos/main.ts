import { parseArgs } from 'node:util';
import { type ChaosReport, runChaos } from './chaos-run.ts';

/** Of one check so many faults are shown. */
const MOST_FAULTS = 10;

/** `npm run chaos -- --seed 1 --minutes 2`: exits with 1 when a check fails, with 130 after Ctrl-C. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '2' },
  },
});
const seed = Number(values.seed);
const minutes = Number(values.minutes);
if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff || !(minutes > 0 && minutes <= 600)) {
  process.stderr.write(
    'Usage: npm run chaos -- --seed <0 to 4294967295> --minutes <more than 0, at most 600>\n',
  );
  process.exit(2);
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => interrupted.abort(new Error(`Interrupted by ${signal}.`)));
}
const startedAt = performance.now();
const write = (line: string) => void process.stdout.write(`${line}\n`);

try {
  const report = await runChaos({
    seed,
    minutes,
    signal: interrupted.signal,
    log: (line) => write(`[${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)}] ${line}`),
  });
  show(report);
  process.exitCode = report.logs === null ? 0 : 1;
} catch (error) {
  write(error instanceof Error ? (error.stack ?? error.message) : String(error));
  write(`seed ${seed}`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}

function show({ checks, figures, logs }: ChaosReport): void {
  write(JSON.stringify(figures, null, 2));
  for (const { name, faults } of checks) {
    write(`${faults.length === 0 ? 'ok    ' : 'FAILED'} ${name}`);
    for (const fault of faults.slice(0, MOST_FAULTS)) write(`         ${fault}`);
    if (faults.length > MOST_FAULTS) write(`         … and ${faults.length - MOST_FAULTS} more`);
  }
  if (logs !== null) write(`logs: ${logs}`);
  const failed = checks.filter(({ faults }) => faults.length > 0).length;
  write(`${checks.length - failed} passed, ${failed} failed`);
  write(`seed ${seed}`);
}
