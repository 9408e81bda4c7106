import { DAY, HOUR, MINUTE } from '../platform/clock.ts';
import type { Problem } from '../platform/problem.ts';

/*
 * What is decided about probes, apart from all input and output.
 *
 * Microsoft says when a subscription begins and when it ends, and never whether its notifications come: a firewall that was
 * closed later, a proxy that swallows them, a tenant that answers 201 and stays silent all look like an empty mailbox. So a
 * *probe* makes one notification happen: a draft is put into the watched folder, Microsoft announces it as it announces
 * mail, and it is removed for good. A draft is the one thing that can appear there without disturbing anybody: it is no
 * delivery (no rule, no toast, no forwarding), it counts as read (no number beside the folder), and no sync takes it in.
 *
 * That drafts are announced follows from "adding a message to the folder would result in a Created notification", and from
 * the third example of that page, which watches Drafts:
 * https://learn.microsoft.com/graph/outlook-change-notifications-overview
 *
 * Refused instead: a hidden folder of our own with a subscription of its own proves that Microsoft reaches us, and nothing
 * about the subscription that mail depends on; a mail to ourselves is a delivery; `reauthorize` and a renewal are answered
 * without a word to our webhook.
 *
 * Any notification answers a probe, not only the one about its draft: each of them came the same way.
 */

/** Of late notifications Microsoft's documents say up to three minutes; what comes later counts as missed. */
export const ANNOUNCEMENT_GRACE = 4 * MINUTE;
/** A proof lasts for a day: after a day without any notification the next probe is made. */
export const PROOF_LIFE = 1 * DAY;
/** A proof that is older than this was not followed by a probe: the process was away. */
const OLDEST_PROOF = PROOF_LIFE + HOUR;
/** People may ask for no more: each probe is four requests, and a draft that somebody may see. */
export const PROBE_PAUSE = MINUTE;
/** After Microsoft refused to make the draft: people grant permissions and look; besides, they can ask for one. */
const REFUSAL_PAUSE = 6 * HOUR;
/** While Microsoft is away or throttles. */
const TROUBLE_PAUSE = 5 * MINUTE;
/** After a request whose answer got lost, Microsoft may still be at work on it. */
const UNCERTAIN_PAUSE = MINUTE;

/** How far a probe has come. */
export const PUSH_PROBE_STATES = ['QUEUED', 'WAITING', 'ANSWERED', 'UNANSWERED', 'FAILED'] as const;
export type PushProbeState = (typeof PUSH_PROBE_STATES)[number];

/** The last probe of a subscription, and when the next one is due. */
export interface ProbeFacts {
  nextProbeAt: Date;
  probeStartedAt?: Date | null | undefined;
  probeMessageId?: string | null | undefined;
  probeAnsweredAt?: Date | null | undefined;
  /** Set while its draft may be in the folder. */
  probeRemovalAt?: Date | null | undefined;
  probeProblem?: Problem | null | undefined;
  unansweredProbes: number;
  lastNotificationAt?: Date | null | undefined;
}

/** How far the last probe has come; null when there was none and none is due. */
export function probeStateOf(facts: ProbeFacts, now: Date): PushProbeState | null {
  if (isProbeUnderWay(facts, now)) return 'WAITING';
  if (facts.nextProbeAt <= now) return 'QUEUED';
  if (!facts.probeStartedAt) return null;
  if (facts.probeAnsweredAt) return 'ANSWERED';
  // Without an id it was never made: the process died just then.
  return facts.probeProblem || !facts.probeMessageId ? 'FAILED' : 'UNANSWERED';
}

/** Until when a notification is waited for. */
export function probeDeadlineOf({ probeStartedAt }: ProbeFacts): Date | null {
  return probeStartedAt ? new Date(probeStartedAt.getTime() + ANNOUNCEMENT_GRACE) : null;
}

function isProbeUnderWay(facts: ProbeFacts, now: Date): boolean {
  const deadline = probeDeadlineOf(facts);
  return deadline !== null && deadline > now && !facts.probeAnsweredAt && !facts.probeProblem;
}

/** Whether a probe was made that nothing answered in time, and no notification has come since. */
export function isProbeUnanswered(facts: ProbeFacts, now: Date): boolean {
  const { probeStartedAt, probeMessageId, probeAnsweredAt, probeProblem, lastNotificationAt } = facts;
  if (!probeStartedAt || !probeMessageId || probeAnsweredAt || probeProblem) return false;
  if (lastNotificationAt && lastNotificationAt > probeStartedAt) return false;
  return !isProbeUnderWay(facts, now);
}

/** Probes in a row that brought nothing, those of replaced subscriptions included; the one under way does not count. */
export function silentProbes(facts: ProbeFacts, now: Date): number {
  return Math.max(facts.unansweredProbes - (isProbeUnderWay(facts, now) ? 1 : 0), 0);
}

/** Whether a notification has shown that they come, lately enough. */
export function isProven({ lastNotificationAt, probeProblem }: ProbeFacts, now: Date): boolean {
  if (!lastNotificationAt) return false;
  // Where no probe can be made, real mail is all the proof there is: it lasts until a poll finds a miss.
  return Boolean(probeProblem) || now.getTime() - lastNotificationAt.getTime() < OLDEST_PROOF;
}

/** Whether a probe is to be made now. What is left of the last one is removed first. */
export function isProbeDue(facts: ProbeFacts, now: Date): boolean {
  return facts.nextProbeAt <= now && !facts.probeRemovalAt && !isProbeUnderWay(facts, now);
}

/** What became of a probe. */
export type ProbeEvent =
  /** It is about to be made. Written down first: a crash must not leave a draft that nobody knows of. */
  | { kind: 'BEGUN' }
  | { kind: 'MADE'; messageId: string }
  /** It was not made; when it is not certain, a draft may be there all the same. */
  | {
      kind: 'NOT_MADE';
      problem: Problem;
      isCertain: boolean;
      isTransient: boolean;
      retryAfterMilliseconds: number | null;
    }
  /** Its draft is gone. */
  | { kind: 'REMOVED' }
  | { kind: 'NOT_REMOVED'; isTransient: boolean; retryAfterMilliseconds: number | null };

/** What an event changes. What a notification changes is in `push-notifications.ts`, in the webhook's one statement. */
export function afterProbeEvent(facts: ProbeFacts, event: ProbeEvent, now: Date): Partial<ProbeFacts> {
  const later = (milliseconds: number) => new Date(now.getTime() + milliseconds);
  switch (event.kind) {
    case 'BEGUN': {
      const unansweredProbes = facts.unansweredProbes + 1;
      return {
        probeStartedAt: now,
        probeMessageId: null,
        probeAnsweredAt: null,
        probeProblem: null,
        probeRemovalAt: later(ANNOUNCEMENT_GRACE),
        unansweredProbes,
        nextProbeAt: later(ANNOUNCEMENT_GRACE + pauseAfter(unansweredProbes)),
      };
    }
    case 'MADE':
      return { probeMessageId: event.messageId };
    case 'NOT_MADE': {
      const probeRemovalAt = event.isCertain ? null : later(UNCERTAIN_PAUSE);
      // A notification came meanwhile: whatever it was about, there is nothing left to prove.
      if (facts.probeAnsweredAt) return { probeRemovalAt };
      const wait = event.isTransient ? TROUBLE_PAUSE : REFUSAL_PAUSE;
      return {
        probeProblem: event.problem,
        probeRemovalAt,
        unansweredProbes: Math.max(facts.unansweredProbes - 1, 0),
        nextProbeAt: later(Math.max(wait, event.retryAfterMilliseconds ?? 0)),
      };
    }
    case 'REMOVED':
      return { probeRemovalAt: null };
    case 'NOT_REMOVED': {
      const wait = event.isTransient ? TROUBLE_PAUSE : HOUR;
      return { probeRemovalAt: later(Math.max(wait, event.retryAfterMilliseconds ?? 0)) };
    }
  }
}

/** Between a probe that nothing answered and the next: soon at first, since people repair things and look. */
function pauseAfter(unansweredProbes: number): number {
  return Math.min(5 * MINUTE * 2 ** Math.min(unansweredProbes - 1, 20), 6 * HOUR);
}
