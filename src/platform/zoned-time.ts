import { findIana } from 'windows-iana';

/**
 * The IANA zone that a name means, one of Windows' as Outlook's calendars write it (by CLDR's table of them) or one of
 * IANA's; null when it is not known.
 */
export function ianaTimeZone(name: string): string | null {
  const zone = findIana(name)[0] ?? name;
  if (!/^[A-Za-z]/.test(zone)) return null; // an offset such as +01:00 is no place: it knows no summer
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    return null;
  }
}

/** What {@link shownAt} writes of other years, and of the day after the last, cannot be read as a date. */
const FIRST_YEAR = 1_000;
const LAST_YEAR = 9_998;

/**
 * The instant at which clocks of `timeZone` show `local` (`2026-11-21T09:00:00`). Where they show it twice or never (the
 * hour of a change), one of the two nearest. Null for what is no date, or of years that nobody means: calendars write "none" so.
 */
export function instantOf(local: string, timeZone: string): Date | null {
  const wanted = Date.parse(`${local}Z`);
  const year = new Date(wanted).getUTCFullYear();
  if (!(year >= FIRST_YEAR && year <= LAST_YEAR)) return null;
  const first = wanted - offsetAt(wanted, timeZone);
  return new Date(wanted - offsetAt(first, timeZone));
}

/**
 * An instant as a person in the zone reads it, to the minute and with the zone, so that nobody has to guess:
 * `2026-11-21 14:05 (Europe/Berlin)`. Every time that a sentence of ours names is written by this.
 */
export function readableTime(instant: Date, timeZone: string): string {
  const time = shownAt(instant.getTime(), timeZone).slice(0, 16);
  return timeZone === 'UTC' ? `${time} UTC` : `${time} (${timeZone})`;
}

/** `2026-11-21 14:05:00`: how clocks of the zone show an instant. */
function shownAt(instant: number, timeZone: string): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(
    instant,
  );
}

/** Milliseconds by which clocks of the zone are ahead of UTC. */
function offsetAt(instant: number, timeZone: string): number {
  return Date.parse(`${shownAt(instant, timeZone).replace(' ', 'T')}Z`) - Math.floor(instant / 1_000) * 1_000;
}
