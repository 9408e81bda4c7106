import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../../src/platform/clock.ts';
import { deliveryOf } from '../../src/sync/push-delivery.ts';
import {
  type PushEnvironment,
  serverObstacle,
  webhookUrls,
  wishOf,
} from '../../src/sync/push-environment.ts';
import {
  afterPushEvent,
  nextPushStep,
  nextWakeAt,
  type PushEvent,
  type PushStep,
  type SubscriptionFacts,
} from '../../src/sync/push-plan.ts';

const now = new Date('2026-11-21T12:00:00Z');
const at = (milliseconds: number) => new Date(now.getTime() + milliseconds);
const PUBLIC: PushEnvironment = { publicUrl: 'https://desk.example', graphUrl: null };
const { notificationUrl } = webhookUrls('https://desk.example');
const MAILBOX = {
  kind: 'PRIMARY',
  incomingEnabled: true,
  syncIntervalMinutes: 60,
  folder: { id: 'inbox', displayName: 'Inbox' },
};
const WISH = { folderId: 'inbox', notificationUrl };
const problem = { code: 'PUSH_REFUSED', message: 'Refused.', remedy: 'Grant it.', since: now.toISOString() };

const ACTIVE: SubscriptionFacts = {
  state: 'ACTIVE',
  folderId: 'inbox',
  notificationUrl,
  graphSubscriptionId: 's1',
  nextStepAt: at(3 * DAY),
  expiresAt: at(6 * DAY),
  activeSince: at(-DAY),
  lastNotificationAt: at(-HOUR),
  lastMissedAt: null,
  missedCount: 0,
  nextProbeAt: at(23 * HOUR),
  unansweredProbes: 0,
  silentRecreations: 0,
  failures: 0,
  problem: null,
};
const row = (change: Partial<SubscriptionFacts>): SubscriptionFacts => ({ ...ACTIVE, ...change });
/** As it is while a probe waits, or was not answered. */
const probed = (ago: number, change: Partial<SubscriptionFacts> = {}) =>
  row({
    activeSince: at(-ago),
    lastNotificationAt: null,
    probeStartedAt: at(-ago),
    probeMessageId: 'd1',
    nextProbeAt: at(5 * MINUTE),
    unansweredProbes: 1,
    ...change,
  });
const silent = (silentRecreations: number, ago: number) =>
  row({ missedCount: 2, silentRecreations, activeSince: at(-ago), lastMissedAt: at(-MINUTE) });

test.each<[string, PushEnvironment, boolean]>([
  ['no public address', { publicUrl: null, graphUrl: null }, false],
  ['http', { publicUrl: 'http://desk.example', graphUrl: null }, false],
  [
    'http, and Graph behind a proxy',
    { publicUrl: 'http://desk.example', graphUrl: 'https://proxy.example' },
    false,
  ],
  [
    'http, and Graph at a name that only begins so',
    { publicUrl: 'http://x', graphUrl: 'http://127.0.0.1.evil.example' },
    false,
  ],
  ['http, and the emulator', { publicUrl: 'http://127.0.0.1:4000', graphUrl: 'http://127.0.0.1:4010' }, true],
  [
    'http, and the emulator by name',
    { publicUrl: 'http://localhost:4000', graphUrl: 'http://localhost:4010' },
    true,
  ],
  [
    'http, and the emulator over IPv6',
    { publicUrl: 'http://[::1]:4000', graphUrl: 'http://[::1]:4010' },
    true,
  ],
  ['https', PUBLIC, true],
])('push on a server with %s', (_name, environment, isPossible) => {
  expect(serverObstacle(environment) === null).toBe(isPossible);
});

test('a subscription is wanted exactly for a mailbox that takes mail in and that Microsoft announces', () => {
  expect(wishOf(PUBLIC, MAILBOX)).toEqual(WISH);
  expect(wishOf(PUBLIC, { ...MAILBOX, incomingEnabled: false })).toBeNull();
  expect(wishOf(PUBLIC, { ...MAILBOX, folder: null })).toBeNull();
  expect(wishOf(PUBLIC, { ...MAILBOX, kind: 'SHARED' })).toBeNull();
  expect(wishOf({ publicUrl: null, graphUrl: null }, MAILBOX)).toBeNull();
});

test.each<[string, boolean, SubscriptionFacts | null, PushStep]>([
  ['nothing wanted, nothing there', false, null, 'NONE'],
  ['nothing wanted any more', false, ACTIVE, 'END'],
  [
    'nothing wanted any more, and it never was made',
    false,
    row({ state: 'FAILED', graphSubscriptionId: null }),
    'END',
  ],
  ['wanted for the first time', true, null, 'CREATE'],
  ['a crash while it was being made', true, row({ state: 'CREATING', graphSubscriptionId: null }), 'CREATE'],
  ['another folder', true, row({ folderId: 'other' }), 'REPLACE'],
  ['another address', true, row({ notificationUrl: 'https://old.example' }), 'REPLACE'],
  ['it works', true, ACTIVE, 'NONE'],
  ['half of its life is over', true, row({ nextStepAt: now }), 'RENEW'],
  ['it has expired', true, row({ expiresAt: now, nextStepAt: now }), 'REPLACE'],
  ['Microsoft ended it', true, row({ state: 'REMOVED', nextStepAt: now }), 'REPLACE'],
  ['refused, not yet time to try again', true, row({ state: 'FAILED', graphSubscriptionId: null }), 'NONE'],
  [
    'refused, time to try again',
    true,
    row({ state: 'FAILED', graphSubscriptionId: null, nextStepAt: now }),
    'CREATE',
  ],
  ['one find that was not announced', true, row({ missedCount: 1, lastMissedAt: at(-MINUTE) }), 'NONE'],
  ['two finds that were not announced', true, silent(0, HOUR), 'REPLACE_SILENT'],
  ['made anew, and still silent', true, silent(1, 30 * MINUTE), 'NONE'],
  ['made anew an hour ago, and still silent', true, silent(1, HOUR), 'REPLACE_SILENT'],
  ['made anew twice, an hour ago', true, silent(2, HOUR), 'NONE'],
  ['silence never makes it wait longer than a day', true, silent(50, DAY), 'REPLACE_SILENT'],
  ['no notification has come yet', true, row({ lastNotificationAt: null, nextProbeAt: now }), 'PROBE'],
  ['no notification for a day', true, row({ nextProbeAt: now }), 'PROBE'],
  ['a renewal is due as well', true, row({ nextProbeAt: now, nextStepAt: now }), 'RENEW'],
  ['a probe is waited for', true, probed(MINUTE), 'NONE'],
  ['a probe is waited for, and another is asked for', true, probed(MINUTE, { nextProbeAt: now }), 'NONE'],
  [
    'the draft of the last probe is still there',
    true,
    row({ nextProbeAt: now, probeRemovalAt: at(MINUTE) }),
    'NONE',
  ],
  ['a probe that nothing answered', true, probed(4 * MINUTE), 'REPLACE_SILENT'],
  [
    'a probe that nothing answered, after it was made anew',
    true,
    probed(4 * MINUTE, { silentRecreations: 1 }),
    'NONE',
  ],
  [
    'a probe that nothing answered, and the next is due',
    true,
    probed(9 * MINUTE, { silentRecreations: 1, nextProbeAt: now }),
    'PROBE',
  ],
  [
    'a probe that nothing answered, an hour after it was made anew',
    true,
    probed(HOUR, { silentRecreations: 1 }),
    'REPLACE_SILENT',
  ],
  [
    'a probe that could not be made',
    true,
    probed(4 * MINUTE, { probeProblem: problem, probeMessageId: null }),
    'NONE',
  ],
  [
    'a probe of which nobody knows whether it was made',
    true,
    probed(4 * MINUTE, { probeMessageId: null }),
    'NONE',
  ],
  [
    'a notification that came after the deadline',
    true,
    probed(HOUR, { lastNotificationAt: at(-MINUTE) }),
    'NONE',
  ],
  [
    'misses of its predecessor do not count against it',
    true,
    row({ missedCount: 5, lastMissedAt: null }),
    'NONE',
  ],
])('%s', (_name, isWanted, current, step) => {
  expect(nextPushStep(isWanted ? WISH : null, current, now)).toBe(step);
});

describe('events', () => {
  const failed = (
    code: string,
    isTransient = false,
    retryAfterMilliseconds: number | null = null,
  ): PushEvent => ({
    kind: 'FAILED',
    problem: { ...problem, code },
    isTransient,
    retryAfterMilliseconds,
  });

  test('a subscription is renewed when a little less than half of its life is over', () => {
    const expiresAt = at(6 * DAY);
    const created = (random: number) =>
      afterPushEvent(
        row({ state: 'CREATING', failures: 3, problem }),
        { kind: 'CREATED', graphSubscriptionId: 's2', expiresAt },
        now,
        random,
      );
    expect(created(0)).toMatchObject({
      state: 'ACTIVE',
      graphSubscriptionId: 's2',
      failures: 0,
      problem: null,
    });
    expect(created(0).nextStepAt).toEqual(at(2.7 * DAY));
    expect(created(1).nextStepAt).toEqual(at(3 * DAY));
    expect(afterPushEvent(ACTIVE, { kind: 'RENEWED', expiresAt }, now, 1)).toMatchObject({
      renewedAt: now,
      expiresAt,
      nextStepAt: at(3 * DAY),
    });
  });

  test('a very short life does not make us renew without a pause', () => {
    const change = afterPushEvent(ACTIVE, { kind: 'RENEWED', expiresAt: at(MINUTE) }, now, 0);
    expect(change.nextStepAt).toEqual(at(MINUTE));
  });

  test('a renewal that finds nothing makes another at once', () => {
    const change = afterPushEvent(ACTIVE, { kind: 'GONE' }, now, 0);
    expect(nextPushStep(WISH, { ...ACTIVE, ...change }, now)).toBe('REPLACE');
  });

  test.each<[string, PushEvent]>([
    ['a renewal', { kind: 'RENEWED', expiresAt: at(6 * DAY) }],
    ['a refusal', failed('PUSH_REFUSED')],
  ])(
    'what Microsoft says it has removed while %s is under way is replaced all the same, and soon',
    (_what, event) => {
      const removed = row({ state: 'REMOVED', nextStepAt: now });
      const after = { ...removed, ...afterPushEvent(removed, event, now, 0) };
      expect(nextPushStep(WISH, after, at(15 * MINUTE))).toBe('REPLACE');
    },
  );

  test('a renewal that fails leaves the subscription as it is', () => {
    const change = afterPushEvent(ACTIVE, failed('PUSH_REFUSED'), now, 0);
    expect(change).not.toHaveProperty('state');
    expect(change).toMatchObject({ failures: 1, nextStepAt: at(15 * MINUTE) });
  });

  test.each<[string, PushEvent, number, number]>([
    ['an unreachable webhook', failed('PUSH_VALIDATION_FAILED'), 0, MINUTE],
    ['an unreachable webhook, again', failed('PUSH_VALIDATION_FAILED'), 3, 8 * MINUTE],
    ['an unreachable webhook, for long', failed('PUSH_VALIDATION_FAILED'), 40, HOUR],
    ['a refusal', failed('PUSH_REFUSED'), 0, 15 * MINUTE],
    ['a refusal, for long', failed('PUSH_REFUSED'), 40, 6 * HOUR],
    ['a Graph that is away', failed('GRAPH_UNAVAILABLE', true), 0, 30_000],
    ['a Graph that says when', failed('GRAPH_UNAVAILABLE', true, 20 * MINUTE), 0, 20 * MINUTE],
  ])('%s is asked again later', (_name, event, failures, wait) => {
    const change = afterPushEvent(row({ state: 'CREATING', failures }), event, now, 0);
    expect(change).toMatchObject({ state: 'FAILED', failures: failures + 1, nextStepAt: at(wait) });
  });

  test('throttling is no failure: a creation waits for as long as it was told, with the reason, and a renewal without a word', () => {
    const throttled: PushEvent = {
      kind: 'THROTTLED',
      problem: { ...problem, code: 'THROTTLED' },
      milliseconds: 20 * MINUTE,
    };
    const creation = afterPushEvent(row({ state: 'CREATING', failures: 3 }), throttled, now, 0);
    expect(creation).toMatchObject({
      state: 'FAILED',
      problem: { code: 'THROTTLED' },
      nextStepAt: at(20 * MINUTE),
    });
    expect(creation).not.toHaveProperty('failures');
    expect(afterPushEvent(ACTIVE, throttled, now, 0)).toEqual({ nextStepAt: at(20 * MINUTE) });
  });

  test('the same problem keeps the moment when it began', () => {
    const before = row({ state: 'FAILED', problem: { ...problem, since: '2026-11-20T00:00:00.000Z' } });
    expect(afterPushEvent(before, failed('PUSH_REFUSED'), now, 0).problem?.since).toBe(
      '2026-11-20T00:00:00.000Z',
    );
    expect(afterPushEvent(before, failed('PUSH_QUOTA'), now, 0).problem?.since).toBe(now.toISOString());
  });
});

test.each<
  [string, PushEnvironment, object, SubscriptionFacts | null, 'PUSH' | 'POLLING', RegExp, RegExp | null]
>([
  ['it works', PUBLIC, {}, ACTIVE, 'PUSH', /at once/, null],
  [
    'no public address',
    { publicUrl: null, graphUrl: null },
    {},
    null,
    'POLLING',
    /PUBLIC_URL is not set.* every 60 min/,
    /Set PUBLIC_URL/,
  ],
  ['not https', { publicUrl: 'http://x', graphUrl: null }, {}, null, 'POLLING', /not https/, /TLS/],
  ['a shared mailbox', PUBLIC, { kind: 'SHARED' }, null, 'POLLING', /shared mailbox/, /polled/],
  ['switched off', PUBLIC, { incomingEnabled: false }, null, 'POLLING', /switched off/, null],
  ['being made', PUBLIC, {}, null, 'POLLING', /being made/, null],
  ['refused', PUBLIC, {}, row({ state: 'FAILED', problem }), 'POLLING', /Refused\./, /Grant it\./],
  ['ended by Microsoft', PUBLIC, {}, row({ state: 'REMOVED' }), 'POLLING', /ended/, null],
  ['expired', PUBLIC, {}, row({ expiresAt: now }), 'POLLING', /expired/, null],
  ['for another folder', PUBLIC, {}, row({ folderId: 'other' }), 'POLLING', /being made/, null],
  ['silent', PUBLIC, {}, row({ missedCount: 1 }), 'POLLING', /1 time since/, /reachable/],
  ['a renewal that failed', PUBLIC, {}, row({ problem }), 'PUSH', /at once/, /Grant it/],
  [
    'just made',
    PUBLIC,
    {},
    row({ lastNotificationAt: null, nextProbeAt: now }),
    'POLLING',
    /first notification is awaited/,
    null,
  ],
  [
    'being probed for the first time',
    PUBLIC,
    {},
    probed(MINUTE),
    'POLLING',
    /first notification is awaited/,
    null,
  ],
  [
    'being probed again',
    PUBLIC,
    {},
    probed(MINUTE, { lastNotificationAt: at(-DAY) }),
    'PUSH',
    /at once/,
    null,
  ],
  [
    'probed',
    PUBLIC,
    {},
    probed(HOUR, { lastNotificationAt: at(-HOUR), probeAnsweredAt: at(-HOUR) }),
    'PUSH',
    /at once/,
    null,
  ],
  [
    'a probe that nothing answered',
    PUBLIC,
    {},
    probed(4 * MINUTE),
    'POLLING',
    /accepted the subscription, but a probe at 2026-11-21 11:56 UTC was not announced within 4 minutes\. .* every 60 min/,
    /reachable.*probePush/,
  ],
  [
    'a probe that nothing answered, of one that worked',
    PUBLIC,
    {},
    probed(4 * MINUTE, { lastNotificationAt: at(-DAY) }),
    'POLLING',
    /not announced within 4 minutes/,
    /reachable/,
  ],
  [
    'made anew after a probe that nothing answered',
    PUBLIC,
    {},
    probed(MINUTE, { unansweredProbes: 3 }),
    'POLLING',
    /announced none of its probes \(2 so far\)/,
    /reachable/,
  ],
  [
    'late, but a notification came',
    PUBLIC,
    {},
    probed(HOUR, { lastNotificationAt: at(-MINUTE) }),
    'PUSH',
    /at once/,
    null,
  ],
  [
    'no probe could be made',
    PUBLIC,
    {},
    probed(HOUR, { probeProblem: problem, probeMessageId: null }),
    'POLLING',
    /no probe could be made.*Refused\. The first mail that Microsoft announces proves it/,
    /Grant it/,
  ],
  [
    'no probe could be made, and real mail was announced long ago',
    PUBLIC,
    {},
    probed(HOUR, { probeProblem: problem, probeMessageId: null, lastNotificationAt: at(-5 * DAY) }),
    'PUSH',
    /at once/,
    null,
  ],
  [
    'a renewal that was refused: until it expires it works, and nobody is told that mail is polled',
    PUBLIC,
    {},
    row({ failures: 1, problem }),
    'PUSH',
    /at once.*could not be renewed so far, and ends at 2026-11-27 12:00 UTC: Refused\.$/,
    /^Grant it\.$/,
  ],
  [
    'the process was away for days',
    PUBLIC,
    {},
    row({ lastNotificationAt: at(-3 * DAY), nextProbeAt: at(-2 * DAY) }),
    'POLLING',
    /last notification came at 2026-11-18 12:00 UTC/,
    null,
  ],
])('delivery: %s', (_name, environment, mailbox, current, delivery, reason, remedy) => {
  const status = deliveryOf(environment, { ...MAILBOX, ...mailbox }, current, now);
  expect(status.delivery).toBe(delivery);
  expect(status.reason).toMatch(reason);
  if (remedy) expect(status.remedy).toMatch(remedy);
  else expect(status.remedy).toBeNull();
});

test.each<[string, SubscriptionFacts, number | null]>([
  ['a try in half a minute', row({ state: 'FAILED', nextStepAt: at(30_000) }), 30_000],
  ['a renewal in days is left to the watch', ACTIVE, null],
  ['the end of a probe', probed(MINUTE, { nextProbeAt: at(9 * MINUTE) }), 3 * MINUTE],
  ['the next probe', probed(HOUR, { nextProbeAt: at(9 * MINUTE) }), 9 * MINUTE],
  ['a draft that could not be removed', row({ probeRemovalAt: at(5 * MINUTE) }), 5 * MINUTE],
  ['no probe of one that is not there', row({ state: 'REMOVED', nextProbeAt: at(MINUTE) }), null],
  ['what is due already is not waited for', row({ nextProbeAt: at(-MINUTE), nextStepAt: now }), null],
])('looks again: %s', (_name, current, wait) => {
  expect(nextWakeAt(current, now)).toEqual(wait === null ? null : at(wait));
});
