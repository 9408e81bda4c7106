import { figure, isMet, judged, type Measurement, rounded } from './measurement.ts';

const WIDTH = 860;
const ROW = 58;
const TOP = 64;
const BAR_LEFT = 24;
const BAR_WIDTH = 560;
const COLOURS = { ink: '#1f2937', faint: '#6b7280', track: '#eef0f3', floor: '#9ca3af', goal: '#111827' };
const VERDICTS = { true: '#15803d', false: '#b91c1c', null: '#2563eb' };

/**
 * One row for each figure that has a floor or a goal: a bar as long as what is judged, and marks for the floor and the
 * goal. Figures that stand alone are in the table only.
 */
export function picture(measurements: readonly Measurement[]): string {
  const rows = measurements.filter(({ floor, goal }) => floor !== null || goal !== null);
  const height = TOP + rows.length * ROW + 12;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="13" fill="${COLOURS.ink}">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="${BAR_LEFT}" y="26" font-size="17" font-weight="600">Deskgraph against its floors and goals</text>`,
    legend(),
    ...rows.map((row, index) => bar(row, TOP + index * ROW)),
    '</svg>\n',
  ].join('\n');
}

function legend(): string {
  const entry = (x: number, mark: string, text: string) =>
    `${mark}<text x="${x}" y="47" font-size="12" fill="${COLOURS.faint}">${text}</text>`;
  return [
    entry(42, swatch(BAR_LEFT, VERDICTS.true), 'goal met'),
    entry(122, swatch(104, VERDICTS.false), 'missed'),
    entry(192, swatch(174, VERDICTS.null), 'no goal'),
    entry(262, swatch(244, COLOURS.floor), 'up to the floor'),
    entry(
      366,
      `<line x1="358" y1="36" x2="358" y2="49" stroke="${COLOURS.goal}" stroke-width="2" stroke-dasharray="3 2"/>`,
      'goal',
    ),
  ].join('');
}

function swatch(x: number, colour: string): string {
  return `<rect x="${x}" y="38" width="12" height="10" rx="2" fill="${colour}"/>`;
}

function bar(row: Measurement, y: number): string {
  const { what, ours, floor, unit, goal, better } = row;
  const value = judged(row);
  const scale = BAR_WIDTH / (Math.max(value, floor === null ? 0 : 1, goal ?? 0) * 1.08);
  const at = (amount: number) => (BAR_LEFT + amount * scale).toFixed(1);
  const length = (amount: number) => (amount * scale).toFixed(1);
  const colour = VERDICTS[`${isMet(row)}`];
  const sign = better === 'HIGHER' ? '≥' : '≤';
  const goalText = goal === null ? '' : ` (goal ${sign} ${goal.toLocaleString('en')})`;
  const figures = floor === null ? figure(ours, unit) : `${figure(ours, unit)} : ${figure(floor, unit)}`;
  const ratio = floor === null ? '' : `${rounded(value)} ×`;
  return [
    `<text x="${BAR_LEFT}" y="${y + 16}">${escaped(what)}</text>`,
    `<rect x="${BAR_LEFT}" y="${y + 26}" width="${BAR_WIDTH}" height="14" rx="3" fill="${COLOURS.track}"/>`,
    `<rect x="${BAR_LEFT}" y="${y + 26}" width="${length(value)}" height="14" rx="3" fill="${colour}"/>`,
    floor === null
      ? ''
      : `<rect x="${BAR_LEFT}" y="${y + 30}" width="${length(1)}" height="6" rx="2" fill="${COLOURS.floor}"/>`,
    goal === null
      ? ''
      : `<line x1="${at(goal)}" y1="${y + 22}" x2="${at(goal)}" y2="${y + 44}" stroke="${COLOURS.goal}" stroke-width="2" stroke-dasharray="3 2"/>`,
    `<text x="${BAR_LEFT + BAR_WIDTH + 16}" y="${y + 30}" font-weight="600" fill="${colour}">${ratio || figures}${ratio ? '' : goalText}</text>`,
    ratio
      ? `<text x="${BAR_LEFT + BAR_WIDTH + 16}" y="${y + 46}" font-size="12" fill="${COLOURS.faint}">${figures}${goalText}</text>`
      : '',
  ].join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
