import { parseArgs } from 'node:util';
import { onStage } from '../bench/stage.ts';
import { runMalformed } from './malformed-run.ts';

/** Shown at most. */
const MOST_FAULTS = 50;

/** `node test/reliability/malformed-main.ts --count 10000 --seed 1`: exits with 1 when a mail did harm. */
const { values } = parseArgs({
  options: { count: { type: 'string', default: '10000' }, seed: { type: 'string', default: '1' } },
});
const [count, seed] = [Number(values.count), Number(values.seed)];
if (!Number.isInteger(count) || count < 1 || !Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) {
  process.stderr.write(
    'Usage: node test/reliability/malformed-main.ts --count <1 and more> --seed <0 to 4294967295>\n',
  );
  process.exit(2);
}

await onStage(async ({ desk, emulatorUrl, server }) => {
  const write = (line: string) => void process.stdout.write(`${line}\n`);
  const report = await runMalformed({ desk, emulatorUrl, url: server.url, count, seed, log: write });
  const { faults, ...figures } = report;
  write(JSON.stringify(figures, null, 2));
  for (const fault of faults.slice(0, MOST_FAULTS)) write(`FAILED ${fault}`);
  if (faults.length > MOST_FAULTS) write(`… and ${faults.length - MOST_FAULTS} more`);
  if (server.child.exitCode !== null) throw new Error(`The server ended with ${server.child.exitCode}.`);
  write(`${faults.length} faults, seed ${seed}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
});
