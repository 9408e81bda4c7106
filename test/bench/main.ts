import { parseArgs } from 'node:util';
import { coldStart } from './cold-start.ts';
import { graphCost } from './graph-cost.ts';
import { importMail } from './import.ts';
import { mailToEvent } from './mail-to-event.ts';
import type { Measurement } from './measurement.ts';
import { report } from './report.ts';
import { sync } from './sync.ts';
import { webhook } from './webhook.ts';

/*
 * `npm run bench`: how fast, and how sparing with Graph, on this machine at this moment.
 * `npm run bench -- --only p1` (or `p1,p7`) runs some of them, and `--messages 2000` makes the import (p3) smaller.
 */

const BENCHMARKS: Readonly<Record<string, (messages?: number) => Promise<Measurement[]>>> = {
  p1: mailToEvent,
  p2: graphCost,
  p3: importMail,
  p8: sync,
  p4: webhook,
  p7: coldStart,
};

const { values } = parseArgs({
  options: { only: { type: 'string' }, messages: { type: 'string' } },
});
const names = values.only?.toLowerCase().split(',') ?? Object.keys(BENCHMARKS);
const measurements: Measurement[] = [];
for (const name of names) {
  const benchmark = BENCHMARKS[name];
  if (!benchmark)
    throw new Error(`There is no benchmark ${name}; there are ${Object.keys(BENCHMARKS).join(', ')}.`);
  measurements.push(
    ...(await (values.messages === undefined ? benchmark() : benchmark(Number(values.messages)))),
  );
}
await report(measurements, values.only === undefined ? 'bench' : names.join('-'));
