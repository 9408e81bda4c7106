import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Listener } from './listener.ts';
import { BY_HAND, WARM_UP } from './record.ts';

/** Counts of what is still to come. */
interface Rest {
  messages: number;
  archiving: number;
  attachments: number;
  runs: number;
}

const REST = `
  select (select count(*) from message where internet_message_id is not null)::int as messages,
         (select count(*) from inbound_message where archive_state = 'DUE')::int as archiving,
         (select count(*) from attachment where state = 'PENDING')::int as attachments,
         (select count(*) from sync_run where state in ('QUEUED', 'RUNNING'))::int as runs`;
const EVENTS = `
  select organization_id, type, count(*)::int as count from event
   where type in ('ticket.created', 'message.added')
     and payload->>'ticketId' not in (select id::text from ticket where subject like $1)
   group by organization_id, type`;

/** Waits until all of `mails` have arrived everywhere, or the time is up. Gives what was missing in the end, or null. */
export async function settle(
  database: pg.Pool,
  mails: number,
  listeners: readonly Listener[],
  deadlineMilliseconds: number,
  signal: AbortSignal,
): Promise<string | null> {
  const startedAt = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const missing = await missingOf(database, mails, listeners).catch((error: Error) => error.message);
    if (missing === null || performance.now() - startedAt > deadlineMilliseconds) return missing;
    await sleep(300, undefined, { signal });
  }
}

async function missingOf(
  database: pg.Pool,
  mails: number,
  listeners: readonly Listener[],
): Promise<string | null> {
  const { rows } = await database.query<Rest>(REST);
  const [rest] = rows;
  if (!rest) return 'nothing is known';
  const { messages, archiving, attachments, runs } = rest;
  if (messages < mails || archiving > 0 || attachments > 0 || runs > 0) {
    return `${messages} of ${mails} messages, ${archiving} to archive, ${attachments} attachments to fetch, ${runs} runs open`;
  }
  const { rows: events } = await database.query<{ organization_id: string; type: string; count: number }>(
    EVENTS,
    [`${WARM_UP}%`],
  );
  const { rows: byHand } = await database.query<{ id: string }>(BY_HAND, [`${WARM_UP}%`]);
  const ignored = new Set(byHand.map(({ id }) => id));
  for (const { record } of listeners) {
    const type = record.field === 'ticketCreated' ? 'ticket.created' : 'message.added';
    const due = events.find((row) => row.organization_id === record.organizationId && row.type === type);
    const seen = new Set(record.seen.map(({ entity }) => entity)).difference(ignored).size;
    if (seen < (due?.count ?? 0)) return `${record.name} has seen ${seen} of ${due?.count} events`;
  }
  return null;
}
