import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../../src/platform/clock.ts';
import {
  afterProbeEvent,
  isProbeDue,
  isProbeUnanswered,
  type ProbeEvent,
  type ProbeFacts,
  type PushProbeState,
  probeStateOf,
} from '../../src/sync/push-probe-plan.ts';

const now = new Date('2026-11-21T12:00:00Z');
const at = (milliseconds: number) => new Date(now.getTime() + milliseconds);
const problem = { code: 'THROTTLED', message: 'Slow down.', remedy: 'Wait.', since: now.toISOString() };

const NONE: ProbeFacts = { nextProbeAt: at(DAY), unansweredProbes: 0 };
const MADE: ProbeFacts = {
  ...NONE,
  probeStartedAt: at(-MINUTE),
  probeMessageId: 'd1',
  probeRemovalAt: at(3 * MINUTE),
  unansweredProbes: 1,
};
const facts = (change: Partial<ProbeFacts>, from = MADE): ProbeFacts => ({ ...from, ...change });

test.each<[string, ProbeFacts, PushProbeState | null]>([
  ['none, and none is due', NONE, null],
  ['none yet', facts({ nextProbeAt: now }, NONE), 'QUEUED'],
  ['written down, Microsoft has not answered', facts({ probeMessageId: null }), 'WAITING'],
  ['made', MADE, 'WAITING'],
  ['made, and another is asked for', facts({ nextProbeAt: now }), 'WAITING'],
  ['answered', facts({ probeAnsweredAt: now }), 'ANSWERED'],
  ['answered, a day ago', facts({ probeAnsweredAt: at(-DAY), nextProbeAt: now }), 'QUEUED'],
  ['its time is over', facts({ probeStartedAt: at(-4 * MINUTE) }), 'UNANSWERED'],
  ['refused', facts({ probeProblem: problem, probeMessageId: null }), 'FAILED'],
  ['a crash before Microsoft answered', facts({ probeStartedAt: at(-HOUR), probeMessageId: null }), 'FAILED'],
])('a probe: %s', (_name, probe, state) => {
  expect(probeStateOf(probe, now)).toBe(state);
});

test('only a probe that was made, and that nothing answered in time or since, speaks against push', () => {
  const late = { probeStartedAt: at(-4 * MINUTE) };
  expect(isProbeUnanswered(facts(late), now)).toBe(true);
  expect(isProbeUnanswered(facts({ ...late, lastNotificationAt: at(-HOUR) }), now)).toBe(true);
  expect(isProbeUnanswered(MADE, now)).toBe(false);
  expect(isProbeUnanswered(facts({ ...late, probeAnsweredAt: at(-MINUTE) }), now)).toBe(false);
  expect(isProbeUnanswered(facts({ ...late, probeMessageId: null }), now)).toBe(false);
  expect(isProbeUnanswered(facts({ ...late, lastNotificationAt: at(-MINUTE) }), now)).toBe(false);
});

test('no probe is made while the draft of another is in the folder', () => {
  expect(isProbeDue(facts({ nextProbeAt: now }, NONE), now)).toBe(true);
  expect(isProbeDue(facts({ nextProbeAt: now }), now)).toBe(false);
  const over = { nextProbeAt: now, probeStartedAt: at(-HOUR) };
  expect(isProbeDue(facts(over), now)).toBe(false);
  expect(isProbeDue(facts({ ...over, probeRemovalAt: null }), now)).toBe(true);
});

const notMade = (change: Partial<Extract<ProbeEvent, { kind: 'NOT_MADE' }>> = {}): ProbeEvent => ({
  kind: 'NOT_MADE',
  problem,
  isCertain: true,
  isTransient: false,
  retryAfterMilliseconds: null,
  ...change,
});

test('a probe is written down with the time when its draft is to go', () => {
  const begun = afterProbeEvent(
    facts({ probeAnsweredAt: at(-DAY), unansweredProbes: 0 }),
    { kind: 'BEGUN' },
    now,
  );
  expect(begun).toEqual({
    probeStartedAt: now,
    probeMessageId: null,
    probeAnsweredAt: null,
    probeProblem: null,
    probeRemovalAt: at(4 * MINUTE),
    unansweredProbes: 1,
    nextProbeAt: at(9 * MINUTE),
  });
});

test.each([
  [0, 5 * MINUTE],
  [1, 10 * MINUTE],
  [4, 80 * MINUTE],
  [60, 6 * HOUR],
])('after %i probes that nothing answered, the next one follows the deadline by %i ms', (before, pause) => {
  const begun = afterProbeEvent(facts({ unansweredProbes: before }), { kind: 'BEGUN' }, now);
  expect(begun.nextProbeAt).toEqual(at(4 * MINUTE + pause));
});

test.each<[string, ProbeEvent, Partial<ProbeFacts>]>([
  ['made', { kind: 'MADE', messageId: 'd2' }, { probeMessageId: 'd2' }],
  [
    'a refusal left no draft, and is no silence',
    notMade(),
    { probeProblem: problem, probeRemovalAt: null, unansweredProbes: 0, nextProbeAt: at(6 * HOUR) },
  ],
  [
    'a throttled one follows soon',
    notMade({ isTransient: true }),
    { nextProbeAt: at(5 * MINUTE), unansweredProbes: 0 },
  ],
  [
    'a throttled one obeys Microsoft',
    notMade({ isTransient: true, retryAfterMilliseconds: HOUR }),
    { nextProbeAt: at(HOUR) },
  ],
  [
    'an answer that got lost may have left a draft',
    notMade({ isCertain: false }),
    { probeRemovalAt: at(MINUTE) },
  ],
  ['its draft is gone', { kind: 'REMOVED' }, { probeRemovalAt: null }],
  [
    'its draft could not be removed',
    { kind: 'NOT_REMOVED', isTransient: true, retryAfterMilliseconds: null },
    { probeRemovalAt: at(5 * MINUTE) },
  ],
  [
    'its draft may not be removed',
    { kind: 'NOT_REMOVED', isTransient: false, retryAfterMilliseconds: null },
    { probeRemovalAt: at(HOUR) },
  ],
])('%s', (_name, event, change) => {
  expect(afterProbeEvent(MADE, event, now)).toMatchObject(change);
});

test('a notification that comes while the answer gets lost is proof enough', () => {
  const change = afterProbeEvent(facts({ probeAnsweredAt: now }), notMade({ isCertain: false }), now);
  expect(change).toEqual({ probeRemovalAt: at(MINUTE) });
});
