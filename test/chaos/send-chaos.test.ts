import { expect, test } from 'vitest';
import { FAULT_POINTS } from '../../src/outbound/fault-points.ts';
import { checkSending } from './send-checker.ts';
import { failedChecks, tryControls } from './send-controls.ts';
import { runSendChaos } from './send-run.ts';

test('sixty replies while workers die at every step, Microsoft fails and the database restarts: each arrives exactly once; and the checker sees what it must see', async () => {
  const lines: string[] = [];
  const controls: Record<string, string[]> = {};
  const report = await runSendChaos({
    seed: 6,
    replies: 60,
    mailboxes: 4,
    ticketsPerMailbox: 5,
    settleMilliseconds: 4_000,
    havoc: { killEvery: [20_000, 40_000], databaseEvery: [8_000, 30_000] },
    deathsPerPoint: 1,
    // Half of the points for each of the two workers: the first mails that they send lead through all of them.
    pointsAtOnce: Math.ceil(FAULT_POINTS.length / 2),
    calmAfter: 0.25,
    isSweptOften: true,
    deadlineMilliseconds: 480_000,
    log: (line) => lines.push(line),
    inspect: async ({ fleet, record }) => {
      controls['untouched'] = failedChecks(checkSending(await record()));
      for (const { name, failed } of await tryControls({ fleet, record })) controls[name] = failed;
    },
  });
  expect(failedChecks(report.checks), JSON.stringify({ report, lines }, null, 2)).toEqual([]);
  const { figures } = report;
  expect(figures.replies).toBeGreaterThanOrEqual(60);
  expect(figures.withFiles).toBeGreaterThanOrEqual(6);
  expect(figures.withQuotes).toBeGreaterThanOrEqual(15);
  expect(figures.inNewConversations).toBeGreaterThanOrEqual(4);
  expect(figures.fromOtherMailboxes).toBeGreaterThanOrEqual(5);
  expect(figures.databaseRestarts).toBeGreaterThan(0);
  expect(Object.values(figures.deaths).every((deaths) => deaths > 0)).toBe(true);
  expect(controls).toEqual({
    untouched: [],
    'a lost reply': expect.arrayContaining(['no reply is lost: each reached its recipient']),
    'replies out of order': ['the replies of a ticket that went from one mailbox arrived in their order'],
    'a doubled reply': expect.arrayContaining(['no reply is doubled: each arrived once']),
  });
}, 600_000);
