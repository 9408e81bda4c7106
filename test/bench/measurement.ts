import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** One figure, beside the floor that the same run measured. */
export interface Measurement {
  what: string;
  ours: number;
  /** What it is compared with; null when the figure stands alone. */
  floor: number | null;
  unit: string;
  /** What the ratio (or the figure alone) must not exceed; null when it is only reported. */
  goal: number | null;
}

const folder = resolve(import.meta.dirname, '../../.data/bench');

/** Prints the table, and writes it as JSON and as a picture into `.data/bench`. */
export async function report(measurements: readonly Measurement[]): Promise<void> {
  const rows = measurements.map((row) => ({
    what: row.what,
    ours: `${round(row.ours)} ${row.unit}`,
    floor: row.floor === null ? '' : `${round(row.floor)} ${row.unit}`,
    ratio: row.floor === null ? '' : round(row.ours / row.floor),
    goal: row.goal === null ? '' : `≤ ${row.goal}`,
  }));
  // biome-ignore lint/suspicious/noConsole: the table is what this program is for
  console.table(rows);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'bench.json'), `${JSON.stringify(measurements, null, 2)}\n`);
  await writeFile(join(folder, 'bench.svg'), picture(measurements));
}

/** The middle of several figures. */
export function median(figures: readonly number[]): number {
  return figures.toSorted((left, right) => left - right)[Math.floor(figures.length / 2)] ?? Number.NaN;
}

/** Bars of ours over the floor, for those figures that have one. */
function picture(measurements: readonly Measurement[]): string {
  const compared = measurements.flatMap(({ floor, ...row }) => (floor === null ? [] : [{ ...row, floor }]));
  const bars = compared.map(({ what, ours, floor }, index) => {
    const y = index * 48;
    const width = Math.min(400, (ours / floor) * 100);
    return `<text x="0" y="${y + 14}">${what}: ${round(ours / floor)} × the floor</text><rect x="0" y="${y + 20}" width="100" height="8" fill="#bbb"/><rect x="0" y="${y + 30}" width="${width}" height="8" fill="#2563eb"/>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="${compared.length * 48 + 16}" font-family="sans-serif" font-size="12">${bars.join('')}</svg>\n`;
}

function round(figure: number): number {
  return Number(figure.toPrecision(3));
}
