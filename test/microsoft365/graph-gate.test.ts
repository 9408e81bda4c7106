import { beforeEach, expect, test } from 'vitest';
import { createGraphGate, type Passage } from '../../src/microsoft365/graph-gate.ts';
import { eventually, SLOW_MACHINE } from '../support/wait.ts';

let signal: AbortSignal;
beforeEach(() => {
  signal = AbortSignal.timeout(SLOW_MACHINE);
});

/** A gate, and the names of those who went in, in their order. */
function startGate() {
  const gate = createGraphGate();
  const order: string[] = [];
  const leaves = new Map<string, () => void>();
  return {
    gate,
    order,
    async enter(name: string, passage: Passage): Promise<void> {
      const leave = await gate.enter('mailbox', passage, signal);
      order.push(name);
      leaves.set(name, leave);
    },
    leave: (name: string) => leaves.get(name)?.(),
  };
}

const READ: Passage = { slots: 1 };
const MOVES: Passage = { slots: 4, isMove: true };

test('a read goes before a batch of moves that came earlier: tickets do not wait for archiving', async () => {
  const { order, enter, leave } = startGate();
  await enter('first batch', MOVES);
  void enter('second batch', MOVES);
  void enter('read', READ);
  leave('first batch');
  await eventually('the read is inside', async () => order.length === 2);
  expect(order).toEqual(['first batch', 'read']);
  leave('read');
  await eventually('and then the batch', async () => order.length === 3);
});

test('reads, however many, do not keep a batch out for ever', async () => {
  const { order, enter, leave } = startGate();
  let isOver = false;
  let reads = 0;
  const read = async (): Promise<void> => {
    while (!isOver) {
      reads += 1;
      const name = `read ${reads}`;
      await enter(name, READ);
      await new Promise((resolve) => setTimeout(resolve, 5));
      leave(name);
    }
  };
  const readers = Array.from({ length: 6 }, read);
  await enter('batch', MOVES);
  isOver = true;
  leave('batch');
  await Promise.all(readers);
  expect(order).toContain('batch');
});

test('a download that stands still does not hold up reads for long, though a batch waits for it', async () => {
  const { order, enter, leave } = startGate();
  await enter('download', READ);
  void enter('batch', MOVES);
  const startedAt = performance.now();
  for (let index = 0; performance.now() - startedAt < 3_500; index += 1) {
    await enter(`read ${index}`, READ);
    leave(`read ${index}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  // Held up once, for two seconds, and not until the download is over.
  expect(order).not.toContain('batch');
  leave('download');
  await eventually('the batch is inside', async () => order.includes('batch'));
});

test('a pause of moves keeps out moves, and no read', async () => {
  const { gate, order, enter, leave } = startGate();
  gate.pause('mailbox', 300, 'MOVES');
  expect(gate.pausedFor('mailbox')).toBe(0);
  expect(gate.pausedFor('mailbox', true)).toBeGreaterThan(0);
  const moved = enter('batch', MOVES);
  await enter('read', READ);
  leave('read');
  await moved;
  expect(order).toEqual(['read', 'batch']);
});

test('who has no patience for a pause is sent away at once, also out of the line, with the time to come back', async () => {
  const { gate, enter } = startGate();
  await enter('inside', { slots: 4 });
  const impatient = gate.enter('mailbox', { slots: 1, patienceMilliseconds: 1_000 }, signal);
  gate.pause('mailbox', 5_000);
  await expect(impatient).rejects.toMatchObject({
    code: 'THROTTLED',
    retryAfterMilliseconds: expect.any(Number),
  });
  await expect(
    gate.enter('mailbox', { slots: 1, patienceMilliseconds: 1_000 }, signal),
  ).rejects.toMatchObject({ code: 'THROTTLED' });
});
