import { expect, test } from 'vitest';
import { type EndedRun, runChaos } from './chaos-run.ts';
import { type Check, checkEvents, checkMail } from './checker.ts';
import type { ClientRecord } from './listener.ts';
import { planFaults } from './plan-faults.ts';
import { planTraffic } from './plan-traffic.ts';
import { readRecord } from './record.ts';
import { mailboxesOf } from './stage.ts';

/** Names of the checks that found something. */
const failed = (checks: readonly Check[]) =>
  checks.filter(({ faults }) => faults.length > 0).map(({ name }) => name);

/** Does something to the database that is taken back, and gives what the checker says of it. */
async function checkAfter(run: EndedRun, sql: string): Promise<string[]> {
  const client = await run.database.connect();
  try {
    await client.query('begin');
    const { rowCount } = await client.query(sql);
    expect(rowCount).toBeGreaterThan(0);
    const record = await readRecord(client, run.fleet.emulator.url, run.stage);
    return failed(checkMail(record, run.stage.mailboxes, [...run.sent.keys()]));
  } finally {
    await client.query('rollback');
    client.release();
  }
}

/** What the checker says when the client that saw most had seen something else. */
async function checkClient(
  run: EndedRun,
  change: (seen: ClientRecord['seen']) => ClientRecord['seen'],
): Promise<string[]> {
  const client = await run.database.connect();
  const record = await readRecord(client, run.fleet.emulator.url, run.stage).finally(() => client.release());
  const [most, ...others] = run.listeners
    .map((listener) => listener.record)
    .sort((one, other) => other.seen.length - one.seen.length);
  if (!most) throw new Error('There is no client.');
  const seen = most.seen.filter(({ entity }) => !record.byHand.has(entity));
  expect(seen.length).toBeGreaterThan(10);
  return failed(checkEvents(record, [{ ...most, name: 'the client', seen: change(seen) }, ...others]));
}

test('two APIs and two workers under a short chaos lose nothing, double nothing and tell every client of everything; and the checker sees what it must see', async () => {
  const lines: string[] = [];
  const controls: Record<string, string[]> = {};
  const report = await runChaos({
    seed: 7,
    minutes: 0.15,
    log: (line) => lines.push(line),
    inspect: async (run) => {
      const someReply = `(select id from message where internet_message_id is not null
        and ticket_id in (select ticket_id from message group by ticket_id having count(*) > 1) limit 1)`;
      controls['untouched'] = await checkAfter(run, 'select 1');
      controls['a lost message'] = await checkAfter(
        run,
        `with gone as (select id from message where internet_message_id is not null limit 1),
              loosened as (update inbound_message set message_id = null where message_id in (select id from gone) returning 1)
         delete from message where id in (select id from gone) and (select count(*) from loosened) >= 0`,
      );
      controls['a lost ledger row'] = await checkAfter(
        run,
        'delete from inbound_message where id in (select id from inbound_message limit 1)',
      );
      controls['a doubled message'] = await checkAfter(
        run,
        `insert into message select (json_populate_record(message, json_build_object('id', gen_random_uuid()))).*
           from message where internet_message_id is not null limit 1`,
      );
      controls['a misplaced reply'] = await checkAfter(
        run,
        `update message set ticket_id = (select ticket.id from ticket
            where ticket.organization_id = message.organization_id and ticket.id <> message.ticket_id
              and subject not like 'Warm-up%' limit 1)
          where id = ${someReply}`,
      );
      controls['a missed event'] = await checkClient(run, (seen) => seen.toSpliced(5, 1));
      controls['a repeated event'] = await checkClient(run, (seen) => [...seen, ...seen.slice(5, 6)]);
      controls['events out of order'] = await checkClient(run, (seen) => [
        ...seen.slice(0, 3),
        ...seen.slice(3, 5).reverse(),
        ...seen.slice(5),
      ]);
    },
  });
  expect(failed(report.checks), JSON.stringify({ report, lines }, null, 2)).toEqual([]);
  const { figures } = report;
  expect(figures.messages).toBe(figures.delivered);
  expect(figures.delivered).toBeGreaterThan(100);
  // It was chaos: processes were killed, the database crashed, clients were cut off.
  expect(figures.faults).toMatchObject({ KILL: 3, DATABASE: 2 });
  expect(figures.faults['CUT']).toBeGreaterThan(0);

  const clientFault = 'the client saw every event of its organization once and in order';
  expect(controls).toEqual({
    untouched: [],
    'a lost message': expect.arrayContaining(['no mail is lost: each is a message']),
    'a lost ledger row': ['every mail has exactly one ledger row'],
    'a doubled message': expect.arrayContaining(['no mail is doubled: each is one message']),
    'a misplaced reply': expect.arrayContaining(['every reply is in the ticket of its thread']),
    'a missed event': [clientFault],
    'a repeated event': [clientFault],
    'events out of order': [clientFault],
  });
}, 240_000);

test('a seed means something: the same plan every time, and another one for another seed', () => {
  const mailboxes = mailboxesOf(2);
  const plan = (seed: number) => [
    planTraffic(seed, 120_000, mailboxes),
    planFaults(seed, 120_000, 15_000, mailboxes),
  ];
  expect(plan(3)).toEqual(plan(3));
  expect(plan(3)).not.toEqual(plan(4));
});

test('a plan of two minutes has every kind of fault, bursts, and answers that come before their originals', () => {
  const mailboxes = mailboxesOf(2);
  const kinds = new Set(planFaults(1, 120_000, 15_000, mailboxes).map(({ action }) => action.kind));
  expect([...kinds].sort()).toEqual([
    'CUT',
    'DATABASE',
    'DELTA_EXPIRED',
    'GRAPH',
    'KILL',
    'LIFECYCLE',
    'NOTIFICATIONS',
    'QUIRKS',
    'SUBSCRIPTION_GONE',
    'TOKENS',
  ]);
  const deliveries = planTraffic(1, 120_000, mailboxes);
  expect(deliveries.filter(({ mails }) => mails.length >= 100).length).toBeGreaterThan(3);
  const arrived = new Set<string>();
  let early = 0;
  for (const { inReplyTo, messageId } of deliveries.flatMap(({ mails }) => mails)) {
    if (inReplyTo !== null && !arrived.has(inReplyTo)) early += 1;
    arrived.add(messageId);
  }
  expect(early).toBeGreaterThan(10);
});
