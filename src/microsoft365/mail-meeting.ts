/*
 * Meetings, as Exchange hands them out: it takes the calendar part out of a mail, gives the mail a type of its own
 * (https://learn.microsoft.com/graph/api/resources/eventmessage) and no file. What the part said are properties of that type.
 */
import { z } from 'zod';
import { ianaTimeZone, instantOf } from '../platform/zoned-time.ts';
import type { Meeting } from './mail.ts';

const HALF_A_DAY = 12 * 60 * 60 * 1_000;

const time = z
  .object({ dateTime: z.string(), timeZone: z.string().nullish().catch(null) })
  .nullish()
  .catch(null);
const eventMessage = z.object({
  meetingMessageType: z.string().nullish().catch(null),
  startDateTime: time,
  endDateTime: time,
  isAllDay: z.boolean().nullish().catch(null),
  location: z.object({ displayName: z.string().nullish() }).nullish().catch(null),
});

/**
 * The class of a mail by the type that Graph gives it; null for usual mail. Which of them a mail of the base type is, a
 * cancellation mostly, {@link readMeeting} tells.
 */
export function meetingClassOf(odataType: string | null | undefined): string | null {
  switch (odataType?.toLowerCase()) {
    case '#microsoft.graph.eventmessageresponse':
      return 'IPM.Schedule.Meeting.Resp';
    case '#microsoft.graph.eventmessagerequest':
      return 'IPM.Schedule.Meeting.Request';
    case '#microsoft.graph.eventmessage':
      return 'IPM.Schedule.Meeting';
    default:
      return null;
  }
}

/** Whether a mail is about a meeting, by its class (MS-OXOCAL). */
export function isMeetingClass(messageClass: string | undefined): boolean {
  return /^IPM\.Schedule\.Meeting(\.|$)/i.test(messageClass ?? '');
}

/** What an event message says of its meeting; null when it does not say what it is. Throws nothing. */
export function readMeeting(json: unknown): Meeting | null {
  const read = eventMessage.safeParse(json);
  const method = methodOf(read.data?.meetingMessageType);
  if (!read.success || method === null) return null;
  const { startDateTime, endDateTime, isAllDay, location } = read.data;
  const [start, end] = [readTime(startDateTime), readTime(endDateTime)];
  const isDay = isAllDay === true;
  return {
    method,
    isAllDay: isDay,
    startsAt: isDay ? null : start,
    endsAt: isDay ? null : end,
    startDay: isDay && start !== null ? dayOf(start) : null,
    location: location?.displayName?.trim() || null,
  };
}

/** Microsoft writes `meetingTenativelyAccepted`, and might mend it. */
function methodOf(type: string | null | undefined): Meeting['method'] | null {
  if (/^meetingRequest$/i.test(type ?? '')) return 'REQUEST';
  if (/^meetingCancell?ed$/i.test(type ?? '')) return 'CANCEL';
  return /^meeting(Accepted|Tent?atively?Accepted|Declined)$/i.test(type ?? '') ? 'REPLY' : null;
}

/** UTC unless a `Prefer` header asks for another zone; it is named in any case. Year 1 means none. */
function readTime(raw: z.infer<typeof time>): Date | null {
  const local = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.exec(raw?.dateTime ?? '')?.[0];
  const zone = ianaTimeZone(raw?.timeZone ?? 'UTC');
  if (local === undefined || zone === null) return null;
  const instant = instantOf(local, zone);
  return instant !== null && instant.getTime() > 0 ? instant : null;
}

/**
 * A whole day begins at midnight: of UTC, as Exchange has it for events, or by the organiser's clock, hours off to either
 * side. The nearest midnight is right for both, but for a few islands.
 */
function dayOf(start: Date): string {
  return new Date(start.getTime() + HALF_A_DAY).toISOString().slice(0, 10);
}
