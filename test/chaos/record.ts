import type pg from 'pg';
import { control } from '../support/app.ts';
import type { ReadyMailbox, Stage } from './organizations.ts';

/** Tickets that the run opens by hand have this in front of their subjects. */
export const WARM_UP = 'Warm-up';

/** The subject of the drafts with which Deskgraph makes Microsoft announce something: no mail that anybody sent. */
export const PROBE = 'Deskgraph checks whether new mail is announced';

/** A mail as the emulator's own record has it, at the end. */
export interface DeliveredMail {
  mailbox: string;
  organizationId: string;
  immutableId: string;
  messageId: string;
  subject: string;
  folder: string;
  attachments: number;
}

/** A row of the ledger. */
export interface LedgerRow {
  mailbox: string;
  graph_message_id: string;
  outcome: string;
  archive_state: string;
}

/** A message that came by mail. */
export interface MessageRow {
  id: string;
  organization_id: string;
  internet_message_id: string;
  ticket_id: string;
  stored_at: number;
  attachments: number;
  stored_attachments: number;
}

/** An event of the log, in its order. */
export interface EventRow {
  organization_id: string;
  type: string;
  ticket_id: string;
  message_id: string | null;
}

/** What is in the database, and what Microsoft says was delivered. */
export interface RunRecord {
  delivered: DeliveredMail[];
  /** Drafts of probes that lie in a mailbox at this moment. */
  probes: DeliveredMail[];
  ledger: LedgerRow[];
  messages: MessageRow[];
  tickets: { id: string; organization_id: string }[];
  /** Of tickets and messages; those that were made by hand are left out. */
  events: EventRow[];
  /** UUIDs of tickets and messages that were made by hand. */
  byHand: Set<string>;
  /** Sync runs that wait or run, and the last run of each mailbox when it failed. */
  openRuns: { mailbox: string; state: string; trigger: string }[];
  /** Jobs that failed for good. */
  deadJobs: { name: string; last_error: string | null }[];
}

/** Asks the emulator what it has, mailbox by mailbox, folder by folder. */
export async function readDelivered(emulatorUrl: string, stage: Stage): Promise<DeliveredMail[]> {
  const delivered: DeliveredMail[] = [];
  for (const mailbox of stage.mailboxes) {
    delivered.push(...(await readMailbox(emulatorUrl, mailbox, stage)));
  }
  return delivered;
}

async function readMailbox(
  emulatorUrl: string,
  mailbox: ReadyMailbox,
  stage: Stage,
): Promise<DeliveredMail[]> {
  const { folders } = await control<{
    folders: {
      displayName: string;
      wellKnownName: string | null;
      messages: { immutableId: string; internetMessageId: string; subject: string; attachments: number }[];
    }[];
  }>(emulatorUrl, `mailboxes/${mailbox.address}?top=1000000`);
  return folders.flatMap(({ displayName, wellKnownName, messages }) =>
    messages.map(({ immutableId, internetMessageId, subject, attachments }) => ({
      mailbox: mailbox.address,
      organizationId: stage.organizations[mailbox.organization].organizationId,
      immutableId,
      messageId: internetMessageId,
      subject,
      folder: wellKnownName ?? displayName,
      attachments,
    })),
  );
}

/** UUIDs of the tickets whose subject is like `$1`, and of their messages. */
export const BY_HAND = `
  select id from ticket where subject like $1
   union select message.id from message join ticket on ticket.id = ticket_id where ticket.subject like $1`;
const MESSAGES = `
  select message.id, message.organization_id, internet_message_id, ticket_id,
         (extract(epoch from message.created_at) * 1000)::float8 as stored_at,
         count(attachment.id)::int as attachments,
         (count(attachment.id) filter (where attachment.state = 'STORED'))::int as stored_attachments
    from message left join attachment on attachment.message_id = message.id
   where internet_message_id is not null
   group by message.id`;
const EVENTS = `
  select organization_id, type, payload->>'ticketId' as ticket_id, payload->>'messageId' as message_id
    from event where type in ('ticket.created', 'message.added')
   order by event.transaction, event.position`;
const OPEN_RUNS = `
  select email_address as mailbox, state, trigger from sync_run join mailbox on mailbox.id = sync_run.mailbox_id
   where state in ('QUEUED', 'RUNNING') or (state = 'FAILED' and not exists (
     select from sync_run as later where later.mailbox_id = sync_run.mailbox_id and later.created_at > sync_run.created_at))`;
// A job that was asked for again while it ran has lost its key to its successor, and all its further tries with it. Only
// the one that is named has no key from the beginning.
const DEAD_JOBS = `
  select task.identifier as name, job.last_error from graphile_worker._private_jobs as job
    join graphile_worker._private_tasks as task on task.id = job.task_id
   where job.attempts >= job.max_attempts and job.locked_at is null
     and (job.key is not null or task.identifier = 'sync.recover-mailboxes')`;

/** Reads everything that the checker needs; of the database through one connection, so inside a transaction of its own. */
export async function readRecord(
  database: pg.ClientBase,
  emulatorUrl: string,
  stage: Stage,
): Promise<RunRecord> {
  const rows = async <Row>(sql: string, parameters: unknown[] = []) =>
    (await database.query(sql, parameters)).rows as Row[];
  const byHand = new Set((await rows<{ id: string }>(BY_HAND, [`${WARM_UP}%`])).map(({ id }) => id));
  const tickets = await rows<{ id: string; organization_id: string }>(
    'select id, organization_id from ticket',
  );
  const events = await rows<EventRow>(EVENTS);
  const { mails = [], probes = [] } = Object.groupBy(
    await readDelivered(emulatorUrl, stage),
    ({ subject }) => (subject === PROBE ? 'probes' : 'mails'),
  );
  return {
    delivered: mails,
    probes,
    ledger: await rows<LedgerRow>(
      `select email_address as mailbox, graph_message_id, outcome, archive_state
         from inbound_message join mailbox on mailbox.id = mailbox_id`,
    ),
    messages: await rows<MessageRow>(MESSAGES),
    tickets: tickets.filter(({ id }) => !byHand.has(id)),
    events: events.filter(({ ticket_id }) => !byHand.has(ticket_id)),
    byHand,
    openRuns: await rows(OPEN_RUNS),
    deadJobs: await rows(DEAD_JOBS),
  };
}
