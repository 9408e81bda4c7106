import type { Results } from '../server/harness.ts';
import { control, type Desk } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { statusBecomes } from '../sync/push-harness.ts';
import { connect, type Fleet, rawId, rows } from './harness.ts';

/** A connected mailbox of a fleet whose mail is announced, and that has come to rest. */
export interface PushedMailbox {
  desk: Desk;
  mailboxId: string;
  address: string;
  /** The id in the database. */
  uuid: string;
}

/** Connects and enables a mailbox; resolves when push stands and nothing of it is under way any more. */
export async function pushedMailbox(
  fleet: Pick<Fleet, 'database'>,
  desk: Desk,
  settings: Record<string, unknown> = {},
): Promise<PushedMailbox> {
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId, settings);
  const mailbox = { desk, mailboxId, address, uuid: rawId(mailboxId) };
  await statusBecomes(desk, mailboxId, 'push stands', ({ delivery }) => delivery === 'PUSH');
  await atRest(fleet, mailbox);
  return mailbox;
}

/** Waits until no run of the mailbox is open and no job of it is due or runs. */
export async function atRest(
  at: Pick<Fleet, 'database'>,
  { uuid }: Pick<PushedMailbox, 'uuid'>,
): Promise<void> {
  await eventually('the mailbox is at rest', async () => {
    const [found] = await rows<{ open: number }>(
      at,
      `select (select count(*) from sync_run where mailbox_id = ? and state in ('QUEUED', 'RUNNING'))::int
         + (select count(*) from graphile_worker._private_jobs
             where key like ? and (run_at <= now() or locked_at is not null))::int as open`,
      [uuid, `%:${uuid}`],
    );
    return found?.open === 0;
  });
}

/**
 * Lets no mailbox be read once more, seconds later, for mail that was announced and did not come: where notifications come
 * twice, such a reading may begin at any time, also while a test looks at the runs.
 */
export async function withoutLooks(at: Pick<Fleet, 'database'>): Promise<void> {
  await rows(
    at,
    `create function await_nothing() returns trigger language plpgsql as $$ begin
       new.awaited = 0; return new; end $$`,
  );
  await rows(
    at,
    'create trigger await_nothing before insert or update on sync_state for each row execute function await_nothing()',
  );
}

/** Waits until no process that came back waits for its mailboxes to be read. */
export async function recovered(at: Pick<Fleet, 'database'>): Promise<void> {
  await eventually(
    'nothing is to be recovered',
    async () => (await jobsOf(at, 'sync.recover-mailboxes', '')) === 0,
  );
  await eventually('no run is open', async () => {
    const open = await rows(at, `select 1 from sync_run where state in ('QUEUED', 'RUNNING')`);
    return open.length === 0;
  });
}

/** The minute's look at what is due, by so many ticks of the clock that no key makes one. Waits for their end. */
export function watchTogether(at: Pick<Fleet, 'database'>, count: number): Promise<void> {
  return tickTogether(at, 'sync.watch-push', count);
}

/** Adds a scheduled job so often, side by side, as processes would whose clocks tick together. Waits for their end. */
export async function tickTogether(at: Pick<Fleet, 'database'>, name: string, count: number): Promise<void> {
  await rows(
    at,
    `select graphile_worker.add_job(?, '{}', max_attempts := 1) from generate_series(1, ?::int)`,
    [name, count],
  );
  await eventually(`each ${name} has ended`, async () => (await jobsOf(at, name, 'and key is null')) === 0);
}

/** Those that wait or run: one that is at its last try has no try left while it runs. */
async function jobsOf(at: Pick<Fleet, 'database'>, name: string, condition: string): Promise<number> {
  const [found] = await rows<{ count: number }>(
    at,
    `select count(*)::int as count from graphile_worker._private_jobs as job
       join graphile_worker._private_tasks as task on task.id = job.task_id
      where task.identifier = ? and (attempts < max_attempts or locked_at is not null) ${condition}`,
    [name],
  );
  return found?.count ?? 0;
}

/** What the emulator says of push. */
export interface PushReport {
  counts: Record<'raised' | 'duplicated' | 'delivered' | 'failed' | 'lost' | 'dropped' | 'discarded', number>;
  traffic: { queued: number; underWay: number; requests: number; failedRequests: number };
  subscriptions: { id: string; mailboxUserId: string; notificationUrl: string; expirationDateTime: string }[];
}

export function pushReport(emulatorUrl: string): Promise<PushReport> {
  return control(emulatorUrl, 'push');
}

/** Changes how the emulator notifies. */
export function setPush(emulatorUrl: string, settings: Record<string, unknown>): Promise<unknown> {
  return control(emulatorUrl, 'push', settings);
}

/** Waits until the emulator has nothing left to deliver. */
export async function announced(emulatorUrl: string): Promise<void> {
  await eventually('all is announced', async () => {
    const { counts, traffic } = await pushReport(emulatorUrl);
    const { raised, duplicated, delivered, failed, lost, dropped, discarded } = counts;
    // Counted over the emulator's whole life: what was for a subscription since replaced never comes.
    const ended = delivered + failed + lost + dropped + discarded;
    return traffic.queued === 0 && traffic.underWay === 0 && ended >= raised + duplicated;
  });
}

/** The subscriptions that the emulator has of a mailbox. */
export async function subscriptionsOf(
  emulatorUrl: string,
  address: string,
): Promise<PushReport['subscriptions']> {
  const { userId } = await control<{ userId: string }>(emulatorUrl, `mailboxes/${address}`);
  const { subscriptions } = await pushReport(emulatorUrl);
  return subscriptions.filter(({ mailboxUserId }) => mailboxUserId === userId);
}

/** What Graph was asked since the counters were set to zero. */
export interface GraphRequests {
  /** By operation, such as `PATCH /subscriptions/{id}`. */
  operations: Record<string, number>;
  mailboxes: Record<string, { peakConcurrency: number; operations: Record<string, number> }>;
}

export function graphRequests(emulatorUrl: string): Promise<GraphRequests> {
  return control(emulatorUrl, 'requests');
}

export function forgetRequests(emulatorUrl: string): Promise<unknown> {
  return control(emulatorUrl, 'requests', undefined, 'DELETE');
}

/** How often something was asked whose operation fits. */
export function askedFor(operations: Record<string, number>, pattern: RegExp): number {
  return Object.entries(operations)
    .filter(([operation]) => pattern.test(operation))
    .reduce((sum, [, count]) => sum + count, 0);
}

/**
 * Holds up every page that is to be stored in an organization, from the moment it is given until `release`: a run that is
 * under way has read the folder and goes no further.
 */
export async function holdStoring(
  { databaseUrl }: Pick<Fleet, 'databaseUrl'>,
  organizationId: string,
): Promise<{ met(): Promise<void>; release(): Promise<void> }> {
  const client = await connect(databaseUrl);
  await client.query('begin');
  await client.query('select from organization where id = $1 for no key update', [organizationId]);
  return {
    async met() {
      await eventually('a page is to be stored', async () => {
        const { rowCount } = await client.query(
          `select 1 from pg_stat_activity
            where datname = current_database() and pg_backend_pid() = any (pg_blocking_pids(pid))`,
        );
        return (rowCount ?? 0) > 0;
      });
    },
    async release() {
      await client.query('rollback');
      await client.end();
    },
  };
}

/** A ticket as a stream tells of it. */
export interface TicketEvent {
  cursor: string;
  ticket: { subject: string; number: number };
}

export const TICKET_CREATED = 'subscription { ticketCreated { cursor ticket { subject number } } }';
const WARM_UP = 'warm-up';

/** Collects what streams bring from the moment when each is known to stand; what made sure of it is left out. */
export async function collectTickets(desk: Desk, streams: readonly Results[]): Promise<TicketEvent[][]> {
  const collected = streams.map((results) => {
    const received: TicketEvent[] = [];
    void (async () => {
      for (let result = await results.next(); result; result = await results.next()) {
        const event = result.data?.['ticketCreated'] as TicketEvent | undefined;
        if (!event) throw new Error(JSON.stringify(result));
        received.push(event);
      }
    })().catch(() => undefined);
    return received;
  });
  await eventually('every subscription stands', async () => {
    await desk.request(
      `mutation { createTicket(input: { subject: "${WARM_UP}", requesterEmail: "desk@example.com", text: "x" }) { __typename } }`,
    );
    return collected.every(({ length }) => length > 0);
  });
  return collected;
}

/** The subjects of a stream's tickets that came by mail, in the order in which they were told. */
export function told(stream: readonly TicketEvent[]): string[] {
  return stream.map(({ ticket }) => ticket.subject).filter((subject) => subject !== WARM_UP);
}

/** The numbers of a stream's tickets that came by mail, in the order in which they were told. */
export function numbersTold(stream: readonly TicketEvent[]): number[] {
  return stream.filter(({ ticket }) => ticket.subject !== WARM_UP).map(({ ticket }) => ticket.number);
}

/** The subjects of the organization's tickets that came by mail, sorted. */
export async function mailSubjects(at: Pick<Fleet, 'database'>, organizationId: string): Promise<string[]> {
  const found = await rows<{ subject: string }>(
    at,
    'select subject from ticket where organization_id = ? and subject <> ? order by subject collate "C"',
    [organizationId, WARM_UP],
  );
  return found.map(({ subject }) => subject);
}
