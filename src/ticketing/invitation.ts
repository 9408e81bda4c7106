import { ianaTimeZone, instantOf } from '../platform/zoned-time.ts';
import { instantByFile } from './calendar-zone.ts';
import { bounded, cleanLine } from './clean-text.ts';
import type { Correspondent } from './message.entity.ts';

/** What a calendar invitation says. */
export interface Invitation {
  /** `REQUEST`: it invites. `CANCEL`: it takes that back. `REPLY`: somebody answers. Others as RFC 5546 has them. */
  method: string;
  summary: string;
  /** Null for whole days, and when the file's time zone is not known: then only `localStart` tells. */
  startsAt: Date | null;
  endsAt: Date | null;
  isAllDay: boolean;
  /** The start as its author's clock shows it: `2026-11-21T09:00:00`, or `2026-11-21` for whole days. */
  localStart: string | null;
  /** As the file names it; null for UTC and for times that float. */
  timeZone: string | null;
  location: string | null;
  organizer: Correspondent | null;
}

/** Larger files are calendars rather than invitations, in bytes. */
export const MAX_INVITATION_BYTES = 262_144;

interface Property {
  parameters: Map<string, string>;
  value: string;
}

/**
 * Reads the first event of an iCalendar file (RFC 5545, RFC 5546). Null when there is none. Repetitions are not worked
 * out: the times are those of the first one. Times that name no zone are those of whoever reads them (RFC 5545, 3.3.5):
 * clocks of `floatingZone`; without one they have no instant.
 */
export function readInvitation(file: string, floatingZone: string | null = null): Invitation | null {
  const lines = file
    .slice(0, MAX_INVITATION_BYTES)
    .replace(/\r?\n[ \t]/g, '')
    .split(/\r?\n/);
  const begin = lines.findIndex((line) => /^BEGIN:VEVENT\s*$/i.test(line));
  if (begin === -1) return null;
  const end = lines.findIndex((line, i) => i > begin && /^END:VEVENT\s*$/i.test(line));
  const event = propertiesOf(withoutInner(lines.slice(begin + 1, end === -1 ? undefined : end)));
  const calendar = propertiesOf(lines.slice(0, begin));
  const start = timeOf(event.get('DTSTART'), floatingZone, lines);
  const finish = timeOf(event.get('DTEND'), floatingZone, lines);
  return {
    method: (calendar.get('METHOD')?.value.trim().toUpperCase() || 'PUBLISH').slice(0, 20),
    summary: textOf(event.get('SUMMARY'), 1_000) ?? '',
    startsAt: start?.instant ?? null,
    endsAt: finish?.instant ?? endAfter(start?.instant ?? null, event.get('DURATION')),
    isAllDay: start?.isDay ?? false,
    localStart: start?.local ?? null,
    timeZone: start?.timeZone ?? null,
    location: textOf(event.get('LOCATION'), 1_000),
    organizer: organizerOf(event.get('ORGANIZER')),
  };
}

/** Without alarms and other components inside of the event. */
function withoutInner(lines: readonly string[]): string[] {
  let depth = 0;
  return lines.filter((line) => {
    if (/^BEGIN:/i.test(line)) depth += 1;
    const isOwn = depth === 0;
    if (/^END:/i.test(line)) depth -= 1;
    return isOwn;
  });
}

/** The first of each name. */
function propertiesOf(lines: readonly string[]): Map<string, Property> {
  const properties = new Map<string, Property>();
  for (const line of lines) {
    const head = /^([A-Za-z-]{1,40})((?:;[A-Za-z-]{1,40}=(?:"[^"]*"|[^";:]*))*):/.exec(line);
    const name = head?.[1]?.toUpperCase();
    if (!head || name === undefined || properties.has(name)) continue;
    const parameters = [...(head[2] ?? '').matchAll(/;([A-Za-z-]+)=(?:"([^"]*)"|([^";:]*))/g)].map(
      ([, key = '', quoted, bare = '']) => [key.toUpperCase(), quoted ?? bare] as const,
    );
    properties.set(name, { parameters: new Map(parameters), value: line.slice(head[0].length) });
  }
  return properties;
}

function timeOf(property: Property | undefined, floatingZone: string | null, lines: readonly string[]) {
  const found = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?\s*$/i.exec(property?.value.trim() ?? '');
  if (!found) return null;
  const [, year, month, day, hour, minute, second, utc] = found;
  const isDay = hour === undefined;
  const local = `${year}-${month}-${day}${isDay ? '' : `T${hour}:${minute}:${second}`}`;
  const named = property?.parameters.get('TZID');
  const timeZone = utc || isDay || named === undefined ? null : bounded(cleanLine(named), 200);
  const zone = utc ? 'UTC' : timeZone === null ? floatingZone : ianaTimeZone(timeZone);
  const byFile = timeZone === null || zone !== null ? null : instantByFile(lines, timeZone, local);
  return { isDay, local, timeZone, instant: isDay || zone === null ? byFile : instantOf(local, zone) };
}

/** RFC 5545, 3.3.6: `PT1H30M`, `P2D`, `P1W`. */
function endAfter(start: Date | null, duration: Property | undefined): Date | null {
  const pattern =
    /^\+?P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?\s*$/i;
  const found = pattern.exec(duration?.value.trim() ?? '');
  if (start === null || !found) return null;
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = found
    .slice(1)
    .map((one) => Number(one ?? 0));
  const minutesInAll = (weeks * 7 + days) * 24 * 60 + hours * 60 + minutes;
  return new Date(start.getTime() + (minutesInAll * 60 + seconds) * 1_000);
}

/** Escapes of RFC 5545, 3.3.11. */
function textOf(property: Property | undefined, maxLength: number): string | null {
  const text = property?.value.replace(/\\([\\;,nN])/g, (_, one: string) => (/n/i.test(one) ? ' ' : one));
  return text === undefined ? null : bounded(cleanLine(text), maxLength) || null;
}

function organizerOf(property: Property | undefined): Correspondent | null {
  const address = /^\s*mailto:(\S{3,320})\s*$/i.exec(property?.value ?? '')?.[1];
  if (address === undefined) return null;
  const name = bounded(cleanLine(property?.parameters.get('CN') ?? ''), 200);
  return { name: name || null, emailAddress: cleanLine(address).toLowerCase() };
}
