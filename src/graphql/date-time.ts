import { GraphQLError } from 'graphql';

/** RFC 3339, section 5.6, with the offset that GraphQL clients may send in any zone. */
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** Reads the scalar DateTime. Throws a GraphQLError with the code INVALID_INPUT for anything but an RFC 3339 instant. */
export function parseDateTime(value: unknown): Date {
  const instant = typeof value === 'string' && RFC_3339.test(value) ? new Date(value) : null;
  // `Date` turns 30 February into 2 March: the day must survive.
  if (instant === null || Number.isNaN(instant.getTime()) || !hasRealDay(value as string)) {
    throw new GraphQLError('A DateTime is written as RFC 3339 says, such as "2026-11-21T09:30:00Z".', {
      extensions: { code: 'INVALID_INPUT', remedy: 'Send the instant with a date, a time and an offset.' },
    });
  }
  return instant;
}

function hasRealDay(value: string): boolean {
  const [year, month, day] = value.slice(0, 10).split('-').map(Number);
  if (year === undefined || month === undefined || day === undefined) return false;
  const lastDay = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return day >= 1 && day <= lastDay;
}
