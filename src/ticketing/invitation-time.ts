import { readableTime } from '../platform/zoned-time.ts';
import type { Invitation } from './invitation.ts';

/** What the sentence is made of. */
export type InvitationTime = Pick<Invitation, 'startsAt' | 'endsAt' | 'isAllDay' | 'localStart' | 'timeZone'>;

/**
 * When it is, as clocks of the reader's zone show it: `2026-11-21 09:00 to 10:00 (Europe/Berlin)`. Whole days are days
 * everywhere; a time in a zone that nobody knows is told as the invitation has it. Null when it says nothing.
 */
export function invitationTime(
  { startsAt, endsAt, isAllDay, localStart, timeZone }: InvitationTime,
  readerZone: string,
): string | null {
  if (startsAt === null) {
    if (localStart === null) return null;
    if (isAllDay) return `${localStart}, all day`;
    return `${localStart.slice(0, 16).replace('T', ' ')}${timeZone === null ? '' : ` (${timeZone})`}`;
  }
  const start = readableTime(startsAt, readerZone);
  if (endsAt === null || endsAt <= startsAt) return start;
  const end = readableTime(endsAt, readerZone);
  // The day is told once when it ends on it, and the zone once in any case.
  const [day, time] = [start.slice(0, 10), start.slice(0, 16)];
  return `${time} to ${end.startsWith(day) ? end.slice(11) : end}`;
}
