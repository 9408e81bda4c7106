import type { EmulatorClock } from './clock.ts';
import { GraphFault } from './graph-fault.ts';

/** The limits of Outlook per app and mailbox; see learn.microsoft.com/graph/throttling-limits. */
export interface ThrottlingLimits {
  concurrentRequests: number;
  requestsPerWindow: number;
  windowSeconds: number;
  retryAfterSeconds: number;
}

/** Microsoft's own limits, with the shortest wait. */
export const OUTLOOK_LIMITS: ThrottlingLimits = {
  concurrentRequests: 4,
  requestsPerWindow: 10_000,
  windowSeconds: 10 * 60,
  retryAfterSeconds: 1,
};

/** Lets an app's requests into a mailbox, as many as Microsoft would. */
export interface Throttle {
  /** How many requests are under way now, this one included; `leave` must follow. Throws 429 `ApplicationThrottled`. */
  enter(appId: string, mailbox: string): { concurrent: number; leave: () => void };
  reset(): void;
}

/** A throttle; `limits` is read at every request, so that it can be changed while it runs. */
export function createThrottle(limits: ThrottlingLimits, clock: EmulatorClock): Throttle {
  const underWay = new Map<string, number>();
  const windows = new Map<string, { startedAt: number; requests: number }>();
  return {
    enter(appId, mailbox) {
      const key = `${appId} ${mailbox}`;
      const concurrent = (underWay.get(key) ?? 0) + 1;
      const inWindow = countInWindow(windows, key, clock.now(), limits.windowSeconds * 1000);
      if (concurrent > limits.concurrentRequests) {
        throw throttled('Application is over its MailboxConcurrency limit.', limits.retryAfterSeconds);
      }
      if (inWindow > limits.requestsPerWindow) {
        throw throttled('Application is over its request limit for this mailbox.', limits.retryAfterSeconds);
      }
      underWay.set(key, concurrent);
      return {
        concurrent,
        leave() {
          const left = (underWay.get(key) ?? 1) - 1;
          if (left === 0) underWay.delete(key);
          else underWay.set(key, left);
        },
      };
    },
    reset() {
      windows.clear();
    },
  };
}

/** Requests that are refused count too, as Microsoft's do. */
function countInWindow(
  windows: Map<string, { startedAt: number; requests: number }>,
  key: string,
  now: number,
  windowMilliseconds: number,
): number {
  const known = windows.get(key);
  if (known === undefined || now - known.startedAt >= windowMilliseconds) {
    windows.set(key, { startedAt: now, requests: 1 });
    return 1;
  }
  known.requests += 1;
  return known.requests;
}

function throttled(message: string, retryAfterSeconds: number): GraphFault {
  return new GraphFault(429, 'ApplicationThrottled', message, { 'retry-after': String(retryAfterSeconds) });
}
