import { expect, test } from 'vitest';
import { killRun } from '../chaos/kill-run.ts';

test('a server killed three times while it syncs loses no mail, doubles none and misplaces no reply', async () => {
  const report = await killRun({ seed: 7, messages: 600, kills: 3, deadlineMilliseconds: 60_000 });
  expect(report).toMatchObject({
    delivered: 600,
    ledgerRows: 600,
    messages: 600,
    tickets: 600 - report.deliveredReplies,
    outcomes: { TICKET_CREATED: 600 - report.deliveredReplies, REPLY_ADDED: report.deliveredReplies },
    doubled: [],
    lost: [],
    misplaced: [],
  });
  // The control: the kills really met a sync in the middle.
  expect(report.rowsAtKills).toHaveLength(3);
  expect(report.rowsAtKills.every((rows) => rows > 0 && rows < 600)).toBe(true);
}, 180_000);
