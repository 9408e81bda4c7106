import { expect, test } from 'vitest';
import { FAULT_POINTS } from '../../src/outbound/fault-points.ts';
import { control } from '../support/app.ts';
import type { Check } from './checker.ts';
import { checkSending } from './send-checker.ts';
import { runSendChaos } from './send-run.ts';

/** Names of the checks that found something. */
const failed = (checks: readonly Check[]) =>
  checks.filter(({ faults }) => faults.length > 0).map(({ name }) => name);

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
    pointsAtOnce: FAULT_POINTS.length / 2,
    calmAfter: 0.25,
    isSweptOften: true,
    deadlineMilliseconds: 480_000,
    log: (line) => lines.push(line),
    inspect: async ({ fleet, stage, record }) => {
      const before = await record();
      controls['untouched'] = failed(checkSending(before));
      const [reply] = before.queued;
      if (!reply) throw new Error('No reply was queued.');
      const { outboundMessageId, ticket } = reply;
      const isIt = ({ outboundMessage }: { outboundMessage: string | null }) =>
        outboundMessage === outboundMessageId;
      controls['a lost reply'] = failed(
        checkSending({ ...before, deliveries: before.deliveries.filter((one) => !isIt(one)) }),
      );
      const places = before.queued.filter((one) => one.ticket.id === ticket.id);
      const [first, second] = places.toSorted((one, other) => one.place - other.place);
      const swapped = before.deliveries.map((one) =>
        one.outboundMessage === first?.outboundMessageId
          ? (before.deliveries.find((it) => it.outboundMessage === second?.outboundMessageId) ?? one)
          : one.outboundMessage === second?.outboundMessageId
            ? (before.deliveries.find((it) => it.outboundMessage === first?.outboundMessageId) ?? one)
            : one,
      );
      controls['replies out of order'] = failed(checkSending({ ...before, deliveries: swapped }));
      // A real second mail, through Microsoft, under another Message-ID: as a worker would send that forgot that it had.
      await sendAgain(fleet.emulator.url, ticket.mailbox, ticket.requester, outboundMessageId);
      controls['a doubled reply'] = failed(checkSending(await record()));
      expect(stage.mailboxes).toContain(ticket.mailbox);
    },
  });
  expect(failed(report.checks), JSON.stringify({ report, lines }, null, 2)).toEqual([]);
  const { figures } = report;
  expect(figures.replies).toBeGreaterThanOrEqual(60);
  expect(figures.withFiles).toBeGreaterThanOrEqual(6);
  expect(figures.databaseRestarts).toBeGreaterThan(0);
  expect(Object.values(figures.deaths).every((deaths) => deaths > 0)).toBe(true);
  expect(controls).toEqual({
    untouched: [],
    'a lost reply': expect.arrayContaining(['no reply is lost: each reached its recipient']),
    'replies out of order': ['the replies of a ticket arrived in their order'],
    'a doubled reply': expect.arrayContaining(['no reply is doubled: each arrived once']),
  });
}, 600_000);

async function sendAgain(url: string, from: string, recipient: string, outbound: string): Promise<void> {
  await control(url, `mailboxes/${from}/sending`, {}, 'PUT');
  const domain = from.slice(from.indexOf('@') + 1);
  const token = await fetch(`${url}/${domain}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: 'control',
      client_secret: 'any',
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  const { access_token: accessToken } = (await token.json()) as { access_token: string };
  const answer = await fetch(`${url}/v1.0/users/${from}/sendMail`, {
    method: 'POST',
    headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      message: {
        subject: 'Again',
        toRecipients: [{ emailAddress: { address: recipient } }],
        internetMessageHeaders: [{ name: 'X-Deskgraph-Outbound-Message', value: outbound }],
      },
    }),
  });
  expect(answer.status, await answer.text()).toBe(202);
}
