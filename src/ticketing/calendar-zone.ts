/** When one of a zone's two times begins, and how far ahead of UTC its clocks are from then on. */
interface Observance {
  /** Milliseconds of its first beginning, as if local time were UTC. */
  start: number;
  /** Null: it begins once. */
  yearly: { month: number; weekday: number; nth: number } | null;
  /** Milliseconds ahead of UTC. */
  offset: number;
  offsetBefore: number;
}

const WEEKDAYS = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA'];
/** Zones in real files have two; those of a century of law have some dozens. */
const MAX_OBSERVANCES = 200;

/**
 * The instant at which clocks show `local` (`2026-11-21T09:00:00`) in a time zone that the calendar file describes itself
 * (`VTIMEZONE`: RFC 5545, 3.6.5), as Outlook's "Customized Time Zone". Yearly rules are read in the form that Outlook and
 * Apple write (`BYMONTH` with `BYDAY`). Null when the file does not describe the zone, or not in a form that is read.
 */
export function instantByFile(lines: readonly string[], timeZone: string, local: string): Date | null {
  const wanted = Date.parse(`${local}Z`);
  const observances = observancesOf(lines, timeZone);
  const [first] = observances.toSorted((a, b) => a.start - b.start);
  if (first === undefined || Number.isNaN(wanted)) return null;
  let newest = Number.NEGATIVE_INFINITY;
  let offset = first.offsetBefore;
  for (const observance of observances) {
    const begins = latestBeginning(observance, wanted);
    if (begins === null || begins < newest) continue;
    newest = begins;
    offset = observance.offset;
  }
  return new Date(wanted - offset);
}

/** When the observance last began before a local time; null when it had not yet. */
function latestBeginning({ start, yearly }: Observance, wanted: number): number | null {
  if (start > wanted) return null;
  if (yearly === null) return start;
  const year = new Date(wanted).getUTCFullYear();
  const inYears = [year, year - 1].map((one) => dayOf(one, yearly) + (((start % DAY) + DAY) % DAY));
  return inYears.find((begins) => begins <= wanted && begins >= start) ?? start;
}

const DAY = 24 * 60 * 60 * 1_000;

/** Midnight of the nth such weekday of a month; from its end when `nth` is negative. */
function dayOf(year: number, { month, weekday, nth }: NonNullable<Observance['yearly']>): number {
  if (nth > 0) {
    const first = Date.UTC(year, month, 1);
    return first + (((weekday - new Date(first).getUTCDay() + 7) % 7) + (nth - 1) * 7) * DAY;
  }
  const last = Date.UTC(year, month + 1, 0);
  return last - (((new Date(last).getUTCDay() - weekday + 7) % 7) + (-nth - 1) * 7) * DAY;
}

function observancesOf(lines: readonly string[], timeZone: string): Observance[] {
  const found: Observance[] = [];
  let zone: string | null = null;
  let values: Map<string, string> | null = null;
  for (const line of lines) {
    const [, name = '', value = ''] = /^([A-Z-]{1,40})(?:;[^:]{0,200})?:(.{0,500})$/i.exec(line.trim()) ?? [];
    const key = name.toUpperCase();
    const isPart = /^(?:STANDARD|DAYLIGHT)$/i.test(value);
    if (key === 'BEGIN' && /^VTIMEZONE$/i.test(value)) zone = '';
    else if (key === 'END' && /^VTIMEZONE$/i.test(value)) zone = null;
    else if (zone === '' && key === 'TZID') zone = value.replace(/^"|"$/g, '');
    else if (key === 'BEGIN' && isPart) values = new Map();
    else if (key === 'END' && isPart) {
      const observance = zone === timeZone && values !== null ? observanceOf(values) : null;
      if (observance !== null && found.length < MAX_OBSERVANCES) found.push(observance);
      values = null;
    } else if (values !== null && !values.has(key)) values.set(key, value);
  }
  return found;
}

function observanceOf(values: ReadonlyMap<string, string>): Observance | null {
  const start = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)/.exec(values.get('DTSTART') ?? '')?.slice(1);
  const offset = offsetOf(values.get('TZOFFSETTO'));
  const offsetBefore = offsetOf(values.get('TZOFFSETFROM')) ?? offset;
  if (start === undefined || offset === null || offsetBefore === null) return null;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = start.map(Number);
  const rule = values.get('RRULE');
  const yearly = rule === undefined ? null : yearlyOf(rule);
  if (yearly === undefined) return null;
  return { start: Date.UTC(year, month - 1, day, hour, minute, second), yearly, offset, offsetBefore };
}

/** Undefined for a rule of another form. */
function yearlyOf(rule: string): Observance['yearly'] | undefined {
  const month = Number(/(?:^|;)BYMONTH=(\d{1,2})(?:;|$)/i.exec(rule)?.[1]);
  const [, nth, day = ''] = /(?:^|;)BYDAY=(-?\d)([A-Z]{2})(?:;|$)/i.exec(rule) ?? [];
  const weekday = WEEKDAYS.indexOf(day.toUpperCase());
  const isRead = /(?:^|;)FREQ=YEARLY(?:;|$)/i.test(rule) && month >= 1 && month <= 12 && weekday !== -1;
  return isRead && Number(nth) !== 0 ? { month: month - 1, weekday, nth: Number(nth) } : undefined;
}

function offsetOf(value: string | undefined): number | null {
  const [, sign, hours, minutes, seconds = '0'] =
    /^([+-])(\d\d)(\d\d)(\d\d)?$/.exec(value?.trim() ?? '') ?? [];
  if (sign === undefined) return null;
  return (sign === '-' ? -1_000 : 1_000) * (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds));
}
