import { parseArgs } from 'node:util';
import { killRun } from './kill-run.ts';

/** `npm run chaos -- --seed 1 --messages 3000 --kills 3`: exits with 1 when anything was lost, doubled or misplaced. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    messages: { type: 'string', default: '3000' },
    kills: { type: 'string', default: '3' },
  },
});

const report = await killRun({
  seed: Number(values.seed),
  messages: Number(values.messages),
  kills: Number(values.kills),
  deadlineMilliseconds: 300_000,
  log: (line) => process.stdout.write(`${line}\n`),
});
const { doubled, lost, misplaced, ...figures } = report;
process.stdout.write(
  `${JSON.stringify({ ...figures, doubled: doubled.length, lost: lost.length, misplaced: misplaced.length }, null, 2)}\n`,
);
const isSound =
  report.ledgerRows === report.delivered &&
  doubled.length === 0 &&
  lost.length === 0 &&
  misplaced.length === 0;
process.exitCode = isSound ? 0 : 1;
