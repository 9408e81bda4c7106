import { expect, test } from 'vitest';
import { endpointState, newEndpoint, recordAnswer } from '../../src/emulator/push-endpoint.ts';

const MINUTE = 60_000;
const T0 = Date.UTC(2026, 0, 1);

/** The state after so many answers of each speed, all at one time. */
function stateAfter(fast: number, slow: number, verySlow: number): string {
  const health = newEndpoint();
  for (let count = 0; count < fast; count += 1) recordAnswer(health, T0, 'fast');
  for (let count = 0; count < slow; count += 1) recordAnswer(health, T0, 'slow');
  for (let count = 0; count < verySlow; count += 1) recordAnswer(health, T0, 'verySlow');
  return endpointState(health, T0);
}

test('more than a tenth of slow answers delays, more than 15 % of very slow ones drops, and not before', () => {
  const table: [number, number, number, string][] = [
    [100, 0, 0, 'healthy'],
    [90, 10, 0, 'healthy'],
    [89, 11, 0, 'slow'],
    [0, 100, 0, 'slow'],
    [90, 0, 10, 'healthy'],
    [85, 0, 15, 'slow'],
    [84, 0, 16, 'dropping'],
    [0, 9, 0, 'healthy'],
    [0, 0, 9, 'healthy'],
  ];
  expect(table.map(([fast, slow, verySlow]) => stateAfter(fast, slow, verySlow))).toEqual(
    table.map(([, , , state]) => state),
  );
});

test('a judgement lasts ten minutes, and what is older than ten minutes no longer counts', () => {
  const health = newEndpoint();
  for (let count = 0; count < 20; count += 1) recordAnswer(health, T0, 'verySlow');
  expect(endpointState(health, T0 + 10 * MINUTE - 1)).toBe('dropping');
  expect(endpointState(health, T0 + 10 * MINUTE)).toBe('healthy');
  for (let count = 0; count < 20; count += 1) recordAnswer(health, T0 + 10 * MINUTE, 'fast');
  expect(endpointState(health, T0 + 10 * MINUTE)).toBe('healthy');
});

test('what is remembered of an endpoint stays small, however long it lives', () => {
  const health = newEndpoint();
  for (let minute = 0; minute < 10_000; minute += 1) recordAnswer(health, T0 + minute * MINUTE, 'slow');
  expect(health.minutes.length).toBeLessThanOrEqual(10);
});
