import { enqueue } from '../../src/jobs/define-job.ts';
import { Mailbox } from '../../src/mailboxes/mailbox.entity.ts';
import { forkAcrossOrganizations, forkFor } from '../../src/platform/database.ts';
import { managePushJob, watchPushJob } from '../../src/sync/push.jobs.ts';
import { requestSync } from '../../src/sync/request-sync.ts';
import {
  control,
  type Desk,
  freePort,
  startTestApp,
  type TestApp,
  type TestAppOptions,
} from '../support/app.ts';
import { eventually } from '../support/wait.ts';

/** A process that the emulator can call. */
export async function startPushApp(
  env: Record<string, string> = {},
  options: Pick<TestAppOptions, 'isScheduled'> = {},
): Promise<TestApp> {
  const port = await freePort();
  return startTestApp(
    {},
    { ...options, env: { PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}`, ...env } },
  );
}

/** What `syncStatus` says of push. */
export interface PushStatus {
  state: string;
  delivery: 'PUSH' | 'POLLING';
  deliveryReason: string;
  deliveryRemedy: string | null;
  pushSubscription: {
    state: string;
    expiresAt: string | null;
    lastNotificationAt: string | null;
    missedCount: number;
    problem: { code: string; remedy: string } | null;
  } | null;
}

export async function statusOf(desk: Desk, mailboxId: string): Promise<PushStatus> {
  const { node } = await desk.request<{ node: { syncStatus: PushStatus } }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox { syncStatus { state delivery deliveryReason deliveryRemedy
       pushSubscription { state expiresAt lastNotificationAt missedCount problem { code remedy } } } } } }`,
    { id: mailboxId },
  );
  return node.syncStatus;
}

/** Waits until the status is as wanted. */
export function statusBecomes(
  desk: Desk,
  mailboxId: string,
  what: string,
  isSo: (status: PushStatus) => boolean,
): Promise<PushStatus> {
  let last: PushStatus | undefined;
  return eventually(what, async () => {
    last = await statusOf(desk, mailboxId);
    return isSo(last) && last;
  }).catch((error: Error) => {
    throw new Error(`${error.message}; the status is ${JSON.stringify(last)}`);
  });
}

/** A row of the table, by the names of its columns. */
export interface SubscriptionRow {
  id: string;
  graph_subscription_id: string | null;
  state: string;
  missed_count: number;
  replaced_at: string | null;
  renewed_at: string | null;
}

/** A connected mailbox whose mail is announced, and that has come to rest. */
export interface PushedMailbox {
  desk: Desk;
  mailboxId: string;
  address: string;
  /** The id in the database. */
  uuid: string;
}

export async function pushedMailbox(app: TestApp, desk?: Desk): Promise<PushedMailbox> {
  const owner = desk ?? (await app.newDesk());
  const { mailboxId, address } = await owner.connectMailbox();
  await owner.enable(mailboxId);
  await statusBecomes(owner, mailboxId, 'push stands', ({ delivery }) => delivery === 'PUSH');
  const [row] = await query<{ id: string }>(app, 'select id from mailbox where email_address = ?', [address]);
  // The reading that follows a new subscription would find what the test delivers.
  await eventually('nothing waits or runs any more', async () => {
    const open = await query(
      app,
      `select 1 from sync_run where mailbox_id = ? and state in ('QUEUED', 'RUNNING')`,
      [row?.id],
    );
    return open.length === 0;
  });
  const mailbox = { desk: owner, mailboxId, address, uuid: row?.id ?? '' };
  await draftsAreGone(app, mailbox);
  return mailbox;
}

export function query<Row>(app: TestApp, sql: string, parameters: unknown[] = []): Promise<Row[]> {
  return app.database.em.fork().execute(sql, parameters) as Promise<Row[]>;
}

/** The subscriptions of a mailbox, the current one first. */
export function rowsOf(app: TestApp, uuid: string): Promise<SubscriptionRow[]> {
  return query(
    app,
    'select * from push_subscription where mailbox_id = ? order by replaced_at desc nulls first',
    [uuid],
  );
}

/** Microsoft's ids of the subscriptions that the emulator has, of this app. */
export async function subscriptionsAtMicrosoft(app: TestApp): Promise<string[]> {
  const { subscriptions } = await control<{ subscriptions: { id: string }[] }>(app.emulator.url, 'push');
  return subscriptions.map(({ id }) => id);
}

/** Changes how the emulator notifies. */
export function setPush(app: TestApp, settings: Record<string, unknown>): Promise<unknown> {
  return control(app.emulator.url, 'push', settings);
}

/** The minute's look, now; waits for its end. */
export async function watch(app: TestApp): Promise<void> {
  await enqueue(forkAcrossOrganizations(app.database), watchPushJob, {});
  await jobEnds(app, `${watchPushJob.name}:all`);
}

async function jobEnds(app: TestApp, key: string): Promise<void> {
  await eventually(`the job ${key} ends`, async () => {
    const waiting = await query(app, 'select 1 from graphile_worker._private_jobs where key = ?', [key]);
    return waiting.length === 0;
  });
}

/** The mailbox's own job, now; waits for its end. */
export async function manage(app: TestApp, { desk, uuid }: PushedMailbox): Promise<void> {
  const em = forkAcrossOrganizations(app.database);
  await enqueue(em, managePushJob, { organizationId: desk.organizationId, mailboxId: uuid });
  await jobEnds(app, `${managePushJob.name}:${uuid}`);
}

const BUSY_WITH_PUSH = `select 1 from graphile_worker._private_jobs as job
   join graphile_worker._private_job_queues as queue on queue.id = job.job_queue_id
  where queue.queue_name = ? and (job.locked_at is not null or (job.run_at <= now() and job.attempts < job.max_attempts))`;

/** Waits until nothing of the mailbox's subscription is being done, and nothing waits for its turn. */
export async function pushRests(app: TestApp, { uuid }: Pick<PushedMailbox, 'uuid'>): Promise<void> {
  await eventually('the subscription rests', async () => {
    return (await query(app, BUSY_WITH_PUSH, [`push:${uuid}`])).length === 0;
  });
}

/**
 * Waits until the drafts of all probes are removed, and the subscription rests. That push stands is known before: its
 * draft is removed then, which is written down last. In one statement, since between the two a new probe may begin.
 */
export async function draftsAreGone(app: TestApp, { uuid }: Pick<PushedMailbox, 'uuid'>): Promise<void> {
  await eventually('the drafts are gone, and the subscription rests', async () => {
    const open = await query(
      app,
      `select 1 from push_subscription where mailbox_id = ? and probe_removal_at is not null union all ${BUSY_WITH_PUSH}`,
      [uuid, `push:${uuid}`],
    );
    return open.length === 0;
  });
}

/** A poll as the clock asks for it; waits for its end. */
export async function poll(app: TestApp, { desk, uuid }: PushedMailbox): Promise<string> {
  const em = forkFor(app.database, desk.organizationId);
  const run = await requestSync(em, await em.findOneOrFail(Mailbox, { id: uuid }), 'POLL');
  await eventually('the poll ends', async () => {
    const [row] = await query<{ state: string }>(app, 'select state from sync_run where id = ?', [run.id]);
    return row?.state === 'SUCCEEDED';
  });
  return run.id;
}

/** The triggers of the mailbox's runs, the oldest first. */
export async function triggersOf(app: TestApp, uuid: string): Promise<string[]> {
  const runs = await query<{ trigger: string }>(
    app,
    'select trigger from sync_run where mailbox_id = ? order by created_at, id',
    [uuid],
  );
  return runs.map(({ trigger }) => trigger);
}

export async function subjectsOf(desk: Desk): Promise<string[]> {
  const { tickets } = await desk.request<{ tickets: { edges: { node: { subject: string } }[] } }>(
    '{ tickets(first: 50, orderBy: { field: NUMBER, direction: ASC }) { edges { node { subject } } } }',
  );
  return tickets.edges.map(({ node }) => node.subject);
}
