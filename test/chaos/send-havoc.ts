import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultInput } from '../../src/emulator/faults.ts';
import { control } from '../support/app.ts';
import type { Disturbances } from './disturbances.ts';
import type { Fleet } from './fleet.ts';
import { createDice } from './random.ts';

type Fault = Partial<FaultInput> & { pathPattern: string };

const DRAFT = '/messages(/[^/]+/createReply)?$';
const SEND = '/messages/[^/]+/send$';
const FILE = '/attachments(/createUploadSession)?$';
const RANGE = '/AttachmentSessions';
const ANY = '/messages';

/** All of them at once, each now and then: before the work is done, after it, slowly, or without an answer. */
const GRAPH_FAULTS: readonly Fault[] = [
  { pathPattern: SEND, method: 'POST', status: 504, afterwards: true, probability: 0.03 },
  { pathPattern: SEND, method: 'POST', reset: true, afterwards: true, probability: 0.02 },
  { pathPattern: SEND, method: 'POST', status: 503, probability: 0.02 },
  { pathPattern: SEND, method: 'POST', status: 504, probability: 0.01 },
  { pathPattern: SEND, method: 'POST', reset: true, probability: 0.01 },
  { pathPattern: SEND, method: 'POST', latencyMs: 2_500, probability: 0.02 },
  { pathPattern: DRAFT, method: 'POST', status: 504, afterwards: true, probability: 0.02 },
  { pathPattern: DRAFT, method: 'POST', reset: true, afterwards: true, probability: 0.02 },
  { pathPattern: DRAFT, method: 'POST', status: 503, probability: 0.01 },
  { pathPattern: DRAFT, method: 'POST', latencyMs: 2_000, probability: 0.02 },
  { pathPattern: FILE, method: 'POST', status: 504, afterwards: true, probability: 0.08 },
  { pathPattern: FILE, method: 'POST', reset: true, probability: 0.04 },
  { pathPattern: RANGE, status: 503, probability: 0.04 },
  { pathPattern: RANGE, status: 504, afterwards: true, probability: 0.05 },
  { pathPattern: RANGE, reset: true, afterwards: true, probability: 0.02 },
  { pathPattern: ANY, method: 'GET', status: 503, probability: 0.01 },
  { pathPattern: ANY, status: 429, retryAfterSeconds: 1, probability: 0.01 },
];

/** How much goes wrong. */
export interface SendHavoc {
  seed: number;
  /** From one kill at random to the next, at least and at most. */
  killEvery: readonly [number, number];
  /** From one restart of the database to the next. */
  databaseEvery: readonly [number, number];
}

/** Lets everything go wrong until `signal` says that it is enough; then takes it all back. */
export async function wreakWhileSending(
  fleet: Fleet,
  { seed, killEvery, databaseEvery }: SendHavoc,
  disturbances: Disturbances,
  signal: AbortSignal,
): Promise<void> {
  const { url } = fleet.emulator;
  for (const fault of GRAPH_FAULTS) await control(url, 'faults', fault);
  const workers = fleet.members.filter(({ name }) => name.startsWith('worker'));
  const killing = async () => {
    const dice = createDice(seed, 'kills');
    while (await paused(dice.between(...killEvery), signal)) {
      await dice.pick(workers).kill(dice.between(50, 1_500));
    }
  };
  const restarting = async () => {
    const dice = createDice(seed, 'database');
    while (await paused(dice.between(...databaseEvery), signal)) {
      const immediate = dice.chance(0.6);
      const milliseconds = dice.between(200, 2_000);
      const end = disturbances.begin({ kind: 'DATABASE', immediate });
      await fleet.postgres.restart({ immediate, downMilliseconds: milliseconds });
      end();
    }
  };
  await Promise.all([killing(), restarting()]);
  await control(url, 'faults', undefined, 'DELETE');
}

/** False when the signal came first. */
async function paused(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}
