import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { figure, isMet, type Measurement, rounded } from './measurement.ts';
import { picture } from './picture.ts';

const folder = resolve(import.meta.dirname, '../../.data/bench');

/** Prints the table, and writes it as JSON and as a picture into `.data/bench`, under `name`. */
export async function report(measurements: readonly Measurement[], name: string): Promise<void> {
  // biome-ignore lint/suspicious/noConsole: the table is what this program is for
  console.table(
    measurements.map((row) => ({
      what: row.what,
      ours: figure(row.ours, row.unit),
      floor: row.floor === null ? '' : figure(row.floor, row.unit),
      ratio: row.floor === null ? '' : rounded(row.ours / row.floor),
      goal:
        row.goal === null ? '' : `${row.better === 'HIGHER' ? '≥' : '≤'} ${row.goal.toLocaleString('en')}`,
      met: { true: 'yes', false: 'NO', null: '' }[`${isMet(row)}`],
    })),
  );
  await mkdir(folder, { recursive: true });
  const lines = measurements.map((row) => ({ ...row, isMet: isMet(row) }));
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(lines, null, 2)}\n`);
  await writeFile(join(folder, `${name}.svg`), picture(measurements));
}
