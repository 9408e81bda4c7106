/** One figure, beside the floor that the same run measured. */
export interface Measurement {
  what: string;
  ours: number;
  /** What it is compared with; null when the figure stands alone. */
  floor: number | null;
  unit: string;
  /** The limit of the ratio to the floor, or of the figure where there is no floor; null when it is only reported. */
  goal: number | null;
  /** Which way is good: `LOWER` (times, costs) when left out. It decides on which side of the goal it must be. */
  better?: 'LOWER' | 'HIGHER';
}

/** What the goal speaks of: the ratio to the floor, or the figure where there is none. */
export function judged({ ours, floor }: Measurement): number {
  return floor === null ? ours : ours / floor;
}

/** Whether the goal was reached; null without one. */
export function isMet(row: Measurement): boolean | null {
  if (row.goal === null) return null;
  return row.better === 'HIGHER' ? judged(row) >= row.goal : judged(row) <= row.goal;
}

/** A figure with its unit, to three digits. */
export function figure(value: number, unit: string): string {
  return unit === '' ? rounded(value) : `${rounded(value)} ${unit}`;
}

/** Three digits, or all those before the point. */
export function rounded(value: number): string {
  const digits = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
  return digits.toLocaleString('en', { maximumSignificantDigits: 21 });
}

/** The middle of several figures. */
export function median(figures: readonly number[]): number {
  return percentile(figures, 50);
}

/** The smallest figure that at least `percent` per cent do not exceed (the nearest rank). */
export function percentile(figures: readonly number[], percent: number): number {
  const sorted = figures.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}
