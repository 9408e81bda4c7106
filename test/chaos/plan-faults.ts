import { createDice, type Dice } from './random.ts';
import { CLIENTS, type StagedMailbox } from './stage.ts';

/** The processes of the fleet, by their place in it. */
export const API_PROCESSES = [0, 1] as const;
export const WORKER_PROCESSES = [2, 3] as const;

/** What goes wrong. */
export type FaultAction =
  /** SIGKILL; each is started again when the fault's time is over. */
  | { kind: 'KILL'; processes: readonly number[] }
  /** A restart: `immediate` is a crash for PostgreSQL, which recovers from its log. */
  | { kind: 'DATABASE'; immediate: boolean }
  /** A fault of the emulator; of one mailbox, or of everything that its pattern fits. */
  | { kind: 'GRAPH'; mailbox: string | null; fault: Readonly<Record<string, unknown>> }
  /** Access tokens of a mailbox's account are refused from now on. */
  | { kind: 'TOKENS'; mailbox: string }
  /** Every delta link so far answers 410. */
  | { kind: 'DELTA_EXPIRED' }
  /** How notifications are delivered, for all. */
  | { kind: 'NOTIFICATIONS'; settings: Readonly<Record<string, unknown>> }
  /** A subscription ends without a word. */
  | { kind: 'SUBSCRIPTION_GONE'; mailbox: string }
  | { kind: 'LIFECYCLE'; mailbox: string; event: string }
  /** Exchange's oddities in delta queries. */
  | { kind: 'QUIRKS'; mailbox: string; quirks: Readonly<Record<string, unknown>> }
  /** A client's socket is destroyed. */
  | { kind: 'CUT'; client: string };

/** A fault with its place in time, in milliseconds since the traffic began. */
export interface PlannedFault {
  at: number;
  /** Moments such as a cut have none. */
  milliseconds: number;
  action: FaultAction;
}

/** Of everything so many a minute, and at least one in a run. */
const PER_MINUTE: readonly [
  number,
  (dice: Dice, victims: readonly string[], all: readonly string[]) => FaultAction,
][] = [
  [3, (dice) => ({ kind: 'KILL', processes: [dice.pick(WORKER_PROCESSES)] })],
  [2, (dice) => ({ kind: 'KILL', processes: [dice.pick(API_PROCESSES)] })],
  [0.5, (dice) => ({ kind: 'KILL', processes: dice.pick([WORKER_PROCESSES, API_PROCESSES]) })],
  [0.8, () => ({ kind: 'DATABASE', immediate: false })],
  [0.7, () => ({ kind: 'DATABASE', immediate: true })],
  [5, (dice, victims) => graphFault(dice, dice.pick(victims))],
  [2, (dice, victims) => throttling(dice, dice.pick(victims))],
  [0.7, (dice) => signInFault(dice)],
  [2, (dice, _victims, all) => ({ kind: 'TOKENS', mailbox: dice.pick(all) })],
  [1.5, () => ({ kind: 'DELTA_EXPIRED' })],
  [3, (dice) => ({ kind: 'NOTIFICATIONS', settings: notificationSettings(dice) })],
  [0.5, (dice, victims) => ({ kind: 'SUBSCRIPTION_GONE', mailbox: dice.pick(victims) })],
  [2, (dice, victims) => ({ kind: 'LIFECYCLE', mailbox: dice.pick(victims), event: lifecycleEvent(dice) })],
  [2, (dice, victims) => ({ kind: 'QUIRKS', mailbox: dice.pick(victims), quirks: quirks(dice) })],
  [10, (dice) => ({ kind: 'CUT', client: dice.pick(CLIENTS).name })],
];

/**
 * What goes wrong when: nothing before `calmMilliseconds`; then, unless the run is short, for as long again the victims alone
 * are throttled, so that the spared mailbox can be compared; then everything, and all of it begins before the traffic ends.
 */
export function planFaults(
  seed: number,
  milliseconds: number,
  calmMilliseconds: number,
  mailboxes: readonly StagedMailbox[],
): PlannedFault[] {
  const dice = createDice(seed, 'faults');
  const all = mailboxes.map(({ name }) => name);
  const victims = mailboxes.filter(({ isVictim }) => isVictim).map(({ name }) => name);
  // Short runs have no time for what a poll must heal.
  const isShort = milliseconds < 30_000;
  const compared = isShort ? [] : victims.map((mailbox) => throttledStretch(dice, mailbox, calmMilliseconds));
  const begin = isShort ? calmMilliseconds : 2 * calmMilliseconds;
  const faults = PER_MINUTE.flatMap(([perMinute, make]) => {
    const wanted = (perMinute * milliseconds) / 60_000;
    const count = Math.max(1, Math.floor(wanted) + (dice.chance(wanted % 1) ? 1 : 0));
    return Array.from({ length: count }, () => {
      const action = make(dice, victims, all);
      const longest = longestOf(action, isShort);
      const at = dice.between(begin, milliseconds);
      return { at, milliseconds: longest === 0 ? 0 : dice.between(longest / 10, longest), action };
    });
  });
  return [...compared, ...faults]
    .filter(({ action }) => !(isShort && needsPolling(action)))
    .toSorted((one, other) => one.at - other.at);
}

function throttledStretch(dice: Dice, mailbox: string, calmMilliseconds: number): PlannedFault {
  return { at: calmMilliseconds, milliseconds: calmMilliseconds * 0.8, action: throttling(dice, mailbox) };
}

function needsPolling(action: FaultAction): boolean {
  return (
    action.kind === 'SUBSCRIPTION_GONE' ||
    action.kind === 'QUIRKS' ||
    (action.kind === 'LIFECYCLE' && action.event === 'subscriptionRemoved') ||
    (action.kind === 'NOTIFICATIONS' && 'lossProbability' in action.settings) ||
    (action.kind === 'GRAPH' && action.mailbox === null)
  );
}

function longestOf({ kind }: FaultAction, isShort: boolean): number {
  if (kind === 'KILL') return isShort ? 1_500 : 6_000;
  if (kind === 'DATABASE') return isShort ? 500 : 3_000;
  if (kind === 'GRAPH') return isShort ? 3_000 : 10_000;
  if (kind === 'NOTIFICATIONS' || kind === 'QUIRKS') return isShort ? 4_000 : 15_000;
  return 0;
}

function graphFault(dice: Dice, mailbox: string): FaultAction {
  const fault = dice.pick<Readonly<Record<string, unknown>>>([
    { status: 503 },
    { status: 503, retryAfterSeconds: 1 },
    { status: 504 },
    { status: 500 },
    { status: 502, method: 'POST' },
    { reset: true },
    { latencyMs: 1_500 },
    { latencyMs: 4_000 },
    // Done, and yet the answer is an error: of moves and reads alike.
    { status: 504, afterwards: true },
    { status: 504, afterwards: true, method: 'POST', pathPattern: '/move$' },
    { reset: true, afterwards: true },
  ]);
  return { kind: 'GRAPH', mailbox, fault: { ...fault, probability: dice.pick([0.2, 0.5, 0.9]) } };
}

function throttling(dice: Dice, mailbox: string): FaultAction {
  const fault = dice.pick<Readonly<Record<string, unknown>>>([
    { status: 429 },
    { status: 429, retryAfterSeconds: 1.5 },
    { status: 429, retryAfterSeconds: 4 },
    { status: 429, retryAfterSeconds: 3, retryAfterFormat: 'date' },
  ]);
  return { kind: 'GRAPH', mailbox, fault: { ...fault, probability: dice.pick([0.3, 1]) } };
}

function signInFault(dice: Dice): FaultAction {
  const fault = dice.pick<Readonly<Record<string, unknown>>>([
    { status: 503 },
    { status: 429, retryAfterSeconds: 2 },
    { reset: true },
    { latencyMs: 3_000 },
  ]);
  return { kind: 'GRAPH', mailbox: null, fault: { ...fault, pathPattern: '/oauth2/v2.0/token$' } };
}

function notificationSettings(dice: Dice): Readonly<Record<string, unknown>> {
  return dice.pick<Readonly<Record<string, unknown>>>([
    { lossProbability: 1 },
    { lossProbability: 0.5 },
    { duplicateProbability: 1 },
    { duplicateProbability: 0.5, reorder: true, delayMs: 2_000 },
    { reorder: true, delayMs: 3_000 },
    { delayMs: 1_500 },
    { paused: true },
    { handshake: 'fail' },
  ]);
}

function lifecycleEvent(dice: Dice): string {
  return dice.pick(['missed', 'missed', 'subscriptionRemoved', 'reauthorizationRequired']);
}

function quirks(dice: Dice): Readonly<Record<string, unknown>> {
  return dice.pick<Readonly<Record<string, unknown>>>([
    { emptyPages: 3 },
    { repeatedLinks: 1 },
    { repeatedLinks: 4 },
    { partialUpdates: true },
    // The newest mails of the inbox at that moment: filled in when it comes.
    { corruptMessages: [] },
  ]);
}
