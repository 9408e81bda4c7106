/**
 * How well an endpoint answers, and what Microsoft makes of it, over all subscriptions to one host; see
 * learn.microsoft.com/graph/change-notifications-delivery-webhooks#throttling.
 *
 * healthy ──(more than 10 % of the answers of 10 minutes slow)──▶ slow: new notifications wait 10 minutes
 * any ──(more than 15 % beyond the timeout of a retry)──▶ dropping: new ones are discarded for 10 minutes, then `missed`
 */
export interface EndpointHealth {
  /** Counts by minute, the newest last, ten at most. */
  minutes: { minute: number; answers: number; slow: number; verySlow: number }[];
  slowUntil: number;
  dropUntil: number;
  /** Subscriptions that lost notifications in the window under way. */
  missedBy: Set<string>;
}

/** What happens to a new notification. */
export type EndpointState = 'healthy' | 'slow' | 'dropping';

const MINUTE = 60 * 1000;
/** Both the window that is judged and the time a judgement lasts. */
export const ENDPOINT_WINDOW_MS = 10 * MINUTE;
const SLOW_SHARE = 0.1;
const DROP_SHARE = 0.15;
/** Fewer answers than this say nothing yet. Microsoft does not tell its own number. */
const LEAST_ANSWERS = 10;

/** An endpoint nothing is known of. */
export function newEndpoint(): EndpointHealth {
  return { minutes: [], slowUntil: 0, dropUntil: 0, missedBy: new Set() };
}

/** What becomes of a notification that comes up now. */
export function endpointState(health: EndpointHealth, now: number): EndpointState {
  if (now < health.dropUntil) return 'dropping';
  return now < health.slowUntil ? 'slow' : 'healthy';
}

/** Counts an answer, and judges. `verySlow`: beyond the timeout of a retry. */
export function recordAnswer(health: EndpointHealth, now: number, speed: 'fast' | 'slow' | 'verySlow'): void {
  const minute = Math.floor(now / MINUTE);
  health.minutes = health.minutes.filter((known) => (minute - known.minute) * MINUTE < ENDPOINT_WINDOW_MS);
  const last = health.minutes.at(-1);
  const current = last?.minute === minute ? last : { minute, answers: 0, slow: 0, verySlow: 0 };
  if (current !== last) health.minutes.push(current);
  current.answers += 1;
  if (speed !== 'fast') current.slow += 1;
  if (speed === 'verySlow') current.verySlow += 1;

  const answers = sum(health, 'answers');
  if (answers < LEAST_ANSWERS) return;
  if (sum(health, 'slow') / answers > SLOW_SHARE) health.slowUntil = now + ENDPOINT_WINDOW_MS;
  if (sum(health, 'verySlow') / answers > DROP_SHARE) health.dropUntil = now + ENDPOINT_WINDOW_MS;
}

function sum(health: EndpointHealth, count: 'answers' | 'slow' | 'verySlow'): number {
  return health.minutes.reduce((total, minute) => total + minute[count], 0);
}
