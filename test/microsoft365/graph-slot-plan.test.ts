import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { REQUESTS_PER_WINDOW } from '../../src/microsoft365/graph-budget.ts';
import { budgetKey } from '../../src/microsoft365/graph-budget-key.ts';
import { GraphError, type GraphErrorCode } from '../../src/microsoft365/graph-error.ts';
import type { SlotNeed } from '../../src/microsoft365/graph-gate.ts';
import { paceOf } from '../../src/microsoft365/graph-pace.ts';
import { postponementOf } from '../../src/microsoft365/graph-postpone.ts';
import { allowance, planSlots, type SlotShare } from '../../src/microsoft365/graph-slot-plan.ts';

const NOW = 100_000;
const need = (change: Partial<SlotNeed> = {}): SlotNeed => ({
  used: 0,
  singles: 0,
  several: 0,
  isDraining: false,
  ...change,
});
const share = (change: Partial<SlotShare> = {}): SlotShare => ({
  held: 0,
  isGathering: false,
  gatheringSince: NOW,
  mayNotGather: false,
  contendedSince: null,
  contendedLast: 0,
  need: need(),
  ...change,
});
const wanted = { contendedSince: NOW - 100, contendedLast: NOW - 50 };
const wantedForLong = { contendedSince: NOW - 1_000, contendedLast: NOW - 50 };

describe('what a process does with its slots', () => {
  const table: [string, Partial<SlotShare>, Partial<ReturnType<typeof planSlots>>][] = [
    ['asks for what its requests need, and no more', { need: need({ singles: 2 }) }, { ask: 2, release: 0 }],
    [
      'keeps what it has while nobody else asks',
      { held: 3, need: need({ used: 1 }) },
      { ask: 0, release: 0 },
    ],
    ['hands back what it does not use when another asks', { held: 4, ...wanted }, { release: 4 }],
    [
      'keeps half of what it needs when another asks',
      { held: 4, need: need({ singles: 5 }), ...wanted },
      { release: 2, ask: 0 },
    ],
    [
      'hands back everything at the end of its turn',
      { held: 2, need: need({ singles: 5 }), ...wantedForLong },
      { release: 2, ask: 0 },
    ],
    [
      'hands back nothing that is in use',
      { held: 4, need: need({ used: 4 }), ...wantedForLong },
      { release: 0 },
    ],
    [
      'asks for the right to gather with a batch',
      { need: need({ several: 4 }) },
      { ask: 4, askToGather: true },
    ],
    [
      'keeps what it gathers although another asks',
      { held: 3, isGathering: true, need: need({ several: 4 }), ...wanted },
      { release: 0, ask: 1, insists: true },
    ],
    [
      'gathers no longer than two seconds',
      { held: 3, isGathering: true, gatheringSince: NOW - 3_000, need: need({ several: 4 }) },
      { release: 3, stopGathering: true },
    ],
    [
      'keeps nothing unused when another gathers',
      { held: 2, mayNotGather: true, need: need({ several: 4 }) },
      { release: 2, ask: 0 },
    ],
    [
      'lets reads go with what a waiting batch cannot use yet',
      { held: 2, need: need({ several: 4, singles: 2 }) },
      { release: 0, ask: 0 },
    ],
  ];
  test.each(table)('%s', (_name, change, plan) => {
    expect(planSlots(share(change), NOW)).toMatchObject(plan);
  });

  test('it never hands back what is in use, and never asks for more than four', () => {
    const natural = (max: number) => fc.integer({ min: 0, max });
    fc.assert(
      fc.property(
        natural(4),
        natural(4),
        natural(9),
        fc.constantFrom(0, 2, 4),
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom({}, wanted, wantedForLong),
        (held, used, singles, several, isDraining, isGathering, mayNotGather, contended) => {
          const one = share({
            held,
            isGathering,
            mayNotGather,
            ...contended,
            need: need({ used: Math.min(used, held), singles, several, isDraining }),
          });
          const plan = planSlots(one, NOW);
          expect(plan.release).toBeLessThanOrEqual(held - one.need.used);
          expect(held - plan.release + plan.ask).toBeLessThanOrEqual(4);
          expect(Math.min(plan.release, plan.ask)).toBe(0);
          expect(allowance(one, NOW)).toBeLessThanOrEqual(held);
        },
      ),
    );
  });
});

describe('the pace', () => {
  test.each([
    ['nothing is held up while there is plenty', { used: 5_000, moves: 3_000 }, { all: 0, moves: 0 }],
    ['moves stop at their share', { used: 6_100, moves: 6_000 }, { all: 0, moves: 30_000 }],
    ['moves stop for reads, whoever used it', { used: 8_000, moves: 10 }, { all: 0, moves: 30_000 }],
    ['reads slow down before the end', { used: 9_500, moves: 0 }, { all: 1_200, moves: 30_000 }],
    ['and nearly stop at it', { used: REQUESTS_PER_WINDOW, moves: 0 }, { all: 15_000, moves: 30_000 }],
  ])('%s', (_name, use, pace) => {
    expect(paceOf(use)).toEqual(pace);
  });
});

describe('what does not count as an attempt', () => {
  const error = (code: GraphErrorCode, retryAfterMilliseconds: number | null = null) =>
    new GraphError(code, 'no', { retryAfterMilliseconds });
  test.each([
    ['throttling, for as long as it was told', error('THROTTLED', 7_000), 7_050],
    [
      'throttling that says "at once", as a date does that our clock believes to be over',
      error('THROTTLED', 0),
      1_050,
    ],
    ['throttling without a time', error('THROTTLED'), 15_050],
    ['throttling for days: looked at again after an hour', error('THROTTLED', 1e9), 3_600_050],
    ['an account that must sign in', error('SIGN_IN_REQUIRED'), 300_000],
    ['one whose sign-in was revoked', error('TOKEN_REVOKED'), 300_000],
    ['a sign-in service that is away', error('LOGIN_UNAVAILABLE'), 15_000],
    ['one that says when to come back', error('LOGIN_UNAVAILABLE', 90_000), 90_050],
    ['but a fault of Graph does', error('GRAPH_UNAVAILABLE', 7_000), null],
    ['and one of ours', new Error('no'), null],
  ])('%s', (_name, thrown, milliseconds) => {
    expect(postponementOf(thrown)).toBe(milliseconds);
  });
});

test('a budget belongs to app, tenant and mailbox, whatever the capitals; whoever names another’s from elsewhere gets his own', () => {
  const owner = { clientId: 'App', tenantId: 'Tenant', emailAddress: 'Support@contoso.example' };
  const key = budgetKey(owner);
  expect(budgetKey({ clientId: 'app', tenantId: 'tenant', emailAddress: 'support@contoso.example' })).toBe(
    key,
  );
  expect(budgetKey({ ...owner, tenantId: 'elsewhere' })).not.toBe(key);
  expect(budgetKey({ ...owner, clientId: 'other' })).not.toBe(key);
  expect(key).toMatch(/^[0-9a-f]{64}$/);
});
