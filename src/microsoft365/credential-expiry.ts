import { DAY } from '../platform/clock.ts';

/** How long before a credential expires somebody is warned, in days; 0 is the moment itself. The nearest comes last. */
export const WARNING_DAYS = [30, 7, 1, 0] as const;
export type WarningDays = (typeof WARNING_DAYS)[number];

/** The nearest threshold that a credential has reached; null when it expires later than all of them, or nobody knows when. */
export function warningDaysOf(expiresAt: Date | null | undefined, now: Date): WarningDays | null {
  if (!expiresAt) return null;
  const left = expiresAt.getTime() - now.getTime();
  return WARNING_DAYS.findLast((days) => left <= days * DAY) ?? null;
}
