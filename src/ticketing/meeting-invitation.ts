import type { IncomingMail } from '../microsoft365/mail.ts';
import { bounded, cleanLine } from './clean-text.ts';
import { toCorrespondent } from './correspondent.ts';
import type { Invitation } from './invitation.ts';

/**
 * What Exchange tells of a meeting, as an invitation; null for mail that is about none. The organiser is who sends it,
 * unless it answers: then it is whoever was answered, and Exchange does not tell who that is. Times are in UTC: the
 * author's own zone is gone.
 */
export function meetingInvitation({ meeting, subject, from }: IncomingMail): Invitation | null {
  if (!meeting) return null;
  const { method, startsAt, endsAt, isAllDay, startDay, location } = meeting;
  return {
    method,
    summary: bounded(cleanLine(subject), 1_000),
    startsAt,
    endsAt,
    isAllDay,
    localStart: startDay ?? startsAt?.toISOString().slice(0, 19) ?? null,
    timeZone: null,
    location: bounded(cleanLine(location ?? ''), 1_000) || null,
    organizer: method === 'REPLY' ? null : toCorrespondent(from),
  };
}
