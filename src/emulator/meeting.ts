/*
 * Mail about meetings as Exchange makes it of a calendar part (MS-OXCICAL, MS-OXCMAIL 2.2.3.4): a message of a type and
 * class of its own, with properties in place of the part. A calendar file that is attached stays a file.
 */
import type { Attachment } from 'postal-mime';

/** What Exchange keeps of a meeting. Instants are milliseconds since 1970. */
export interface StoredMeeting {
  odataType: string;
  /** `PidTagMessageClass`. */
  messageClass: string;
  /** A member of `microsoft.graph.meetingMessageType`, with its misspelling. */
  messageType: string;
  startsAt: number;
  endsAt: number;
  isAllDay: boolean;
  location: string;
  /** What there is to read where the mail has no text beside its calendar part. */
  description: string;
}

/** A calendar part that becomes a meeting. */
export interface FoundMeeting {
  part: Attachment;
  meeting: StoredMeeting;
}

const DAY = 24 * 60 * 60 * 1_000;

/** The part of a mail that Exchange makes a meeting of; undefined when there is none, or none that it could read. */
export function findMeeting(parts: readonly Attachment[]): FoundMeeting | undefined {
  for (const part of parts) {
    if (part.mimeType !== 'text/calendar' || part.disposition === 'attachment') continue;
    const meeting = readMeeting(textOf(part), part.method);
    if (meeting !== undefined) return { part, meeting };
  }
  return undefined;
}

/** The properties of `microsoft.graph.eventMessage` that come unasked. */
export function meetingJson(meeting: StoredMeeting): Record<string, unknown> {
  return {
    meetingMessageType: meeting.messageType,
    type: 'singleInstance',
    isOutOfDate: false,
    isAllDay: meeting.isAllDay,
    isDelegated: false,
    startDateTime: dateTime(meeting.startsAt),
    endDateTime: dateTime(meeting.endsAt),
    location: { displayName: meeting.location, locationType: 'default' },
    recurrence: null,
  };
}

function dateTime(instant: number) {
  return { dateTime: `${new Date(instant).toISOString().slice(0, 19)}.0000000`, timeZone: 'UTC' };
}

function textOf({ content }: Attachment): string {
  return typeof content === 'string' ? content : Buffer.from(new Uint8Array(content)).toString('utf8');
}

function readMeeting(file: string, methodOfPart: string | undefined): StoredMeeting | undefined {
  const lines = file.replace(/\r?\n[ \t]/g, '').split(/\r?\n/);
  const method = methodOfPart ?? propertyOf(lines, 'METHOD')?.trim().toUpperCase() ?? '';
  const begin = lines.indexOf('BEGIN:VEVENT');
  if (begin === -1) return undefined;
  // What stands before alarms and the like.
  const end = lines.findIndex((line, at) => at > begin && /^(?:BEGIN|END):/.test(line));
  const event = lines.slice(begin + 1, end);
  const kind = kindOf(method, event);
  const start = timeOf(event, 'DTSTART');
  if (kind === undefined || start === undefined) return undefined;
  const finish = timeOf(event, 'DTEND')?.at ?? start.at + durationOf(event, start.isDay ? DAY : 0);
  return {
    ...kind,
    startsAt: start.at,
    endsAt: finish,
    isAllDay: start.isDay,
    location: unescaped(propertyOf(event, 'LOCATION')),
    description: unescaped(propertyOf(event, 'DESCRIPTION')),
  };
}

function kindOf(
  method: string,
  event: readonly string[],
): Pick<StoredMeeting, 'odataType' | 'messageClass' | 'messageType'> | undefined {
  const base = '#microsoft.graph.eventMessage';
  const meeting = 'IPM.Schedule.Meeting';
  if (method === 'REQUEST') {
    return { odataType: `${base}Request`, messageClass: `${meeting}.Request`, messageType: 'meetingRequest' };
  }
  if (method === 'CANCEL') {
    return { odataType: base, messageClass: `${meeting}.Canceled`, messageType: 'meetingCancelled' };
  }
  if (method !== 'REPLY' && method !== 'COUNTER') return undefined;
  const odataType = `${base}Response`;
  const attendee = event.find((line) => /^ATTENDEE\b/.test(line)) ?? '';
  switch (/PARTSTAT=([A-Z-]+)/i.exec(attendee)?.[1]?.toUpperCase()) {
    case 'ACCEPTED':
      return { odataType, messageClass: `${meeting}.Resp.Pos`, messageType: 'meetingAccepted' };
    case 'DECLINED':
      return { odataType, messageClass: `${meeting}.Resp.Neg`, messageType: 'meetingDeclined' };
    default:
      return { odataType, messageClass: `${meeting}.Resp.Tent`, messageType: 'meetingTenativelyAccepted' };
  }
}

function propertyOf(lines: readonly string[], name: string): string | undefined {
  const line = lines.find((one) => new RegExp(`^${name}[;:]`, 'i').test(one));
  return line === undefined ? undefined : /^[A-Z-]+(?:;[A-Z-]+=(?:"[^"]*"|[^";:]*))*:(.*)$/i.exec(line)?.[1];
}

/** UTC, whole days, times that float (of the mailbox, which is in UTC here), and zones as IANA names them. */
function timeOf(event: readonly string[], name: string): { at: number; isDay: boolean } | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?$/.exec(
    propertyOf(event, name)?.trim() ?? '',
  );
  if (found === null) return undefined;
  const [, year, month, day, hour, minute = '00', second = '00'] = found;
  const local = Date.parse(`${year}-${month}-${day}T${hour ?? '00'}:${minute}:${second}Z`);
  if (Number.isNaN(local)) return undefined;
  const line = event.find((one) => new RegExp(`^${name}[;:]`, 'i').test(one)) ?? '';
  const zone = /;TZID="?([^";:]+)/i.exec(line)?.[1];
  if (hour === undefined || zone === undefined) return { at: local, isDay: hour === undefined };
  const offset = offsetAt(local, zone);
  if (offset === undefined) return undefined;
  return { at: local - (offsetAt(local - offset, zone) ?? offset), isDay: false };
}

function offsetAt(instant: number, timeZone: string): number | undefined {
  try {
    const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
    return Date.parse(`${format.format(instant).replace(' ', 'T')}Z`) - instant;
  } catch {
    return undefined;
  }
}

function durationOf(event: readonly string[], otherwise: number): number {
  const found = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?$/.exec(
    propertyOf(event, 'DURATION')?.trim() ?? '',
  );
  if (found === null) return otherwise;
  const [days = 0, hours = 0, minutes = 0] = found.slice(1).map((one) => Number(one ?? 0));
  return days * DAY + (hours * 60 + minutes) * 60 * 1_000;
}

function unescaped(value: string | undefined): string {
  return (value ?? '').replace(/\\([\\;,nN])/g, (_, one: string) => (/n/i.test(one) ? '\n' : one));
}
