/*
 * How much a mailbox may send. Exchange Online takes 30 messages a minute and 10,000 recipients in 24 hours from a
 * mailbox: https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits#sending-limits
 * Keeping them here means that a mail waits in our outbox, where it is seen and can be cancelled, and not at Microsoft.
 */
import { batching } from '../platform/batching.ts';
import { DAY, MINUTE, SECOND } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';

/** What a mailbox may send. */
export interface SendLimits {
  messagesPerMinute: number;
  /** In any 24 hours. */
  recipientsPerDay: number;
}

/** Exchange Online's own. */
export const EXCHANGE_LIMITS: SendLimits = { messagesPerMinute: 30, recipientsPerDay: 10_000 };

/** The part of each limit that notifications may use: the rest is kept for what people write. */
const NOTIFICATION_SHARE = 0.8;
/** From this part on the usage is warned of. */
const WARNING_SHARE = 0.8;
/** A wait for a place of the day is looked at again after this: notifications may have been cancelled, limits changed. */
const LONGEST_WAIT = 10 * MINUTE;
const SHORTEST_WAIT = 0.25 * SECOND;

/** What was sent from a mailbox, or may have been. */
export interface SendUsage {
  messagesLastMinute: number;
  recipientsLastDay: number;
  /** Until the oldest of the last minute falls out of it; null when there is none. */
  minuteFreesIn: number | null;
  /** Until the oldest of the last day falls out of it; null when there is none. */
  dayFreesIn: number | null;
}

/** Whether one more mail may go out now; otherwise which limit is in the way, and after how long to ask again. */
export type Place = { granted: true } | { granted: false; limit: 'MINUTE' | 'DAY'; milliseconds: number };

/**
 * Decides whether a mail has a place. A mail with more recipients than a day allows goes alone: it would wait for ever.
 */
export function placeFor(
  usage: SendUsage,
  { recipientCount, isNotification }: { recipientCount: number; isNotification: boolean },
  limits: SendLimits,
): Place {
  const share = isNotification ? NOTIFICATION_SHARE : 1;
  const perMinute = Math.max(1, Math.floor(limits.messagesPerMinute * share));
  if (usage.messagesLastMinute >= perMinute) return denied('MINUTE', usage.minuteFreesIn);
  const perDay = Math.max(1, Math.floor(limits.recipientsPerDay * share));
  const isOver = usage.recipientsLastDay + recipientCount > perDay;
  if (isOver && usage.recipientsLastDay > 0) return denied('DAY', usage.dayFreesIn);
  return { granted: true };
}

function denied(limit: 'MINUTE' | 'DAY', freesIn: number | null): Place {
  const milliseconds = Math.min(Math.max(freesIn ?? SECOND, SHORTEST_WAIT), LONGEST_WAIT);
  return { granted: false, limit, milliseconds };
}

/** Whether so much of a limit is used that it should be warned of. */
export function isNearLimit(usage: SendUsage, limits: SendLimits): boolean {
  return (
    usage.messagesLastMinute >= limits.messagesPerMinute * WARNING_SHARE ||
    usage.recipientsLastDay >= limits.recipientsPerDay * WARNING_SHARE
  );
}

/** The limits with whatever a test made smaller. Never larger than Exchange's own. */
export function limitsWith(overrides: Partial<SendLimits> = {}): SendLimits {
  return {
    messagesPerMinute: Math.min(overrides.messagesPerMinute ?? Infinity, EXCHANGE_LIMITS.messagesPerMinute),
    recipientsPerDay: Math.min(overrides.recipientsPerDay ?? Infinity, EXCHANGE_LIMITS.recipientsPerDay),
  };
}

const NOTHING: SendUsage = {
  messagesLastMinute: 0,
  recipientsLastDay: 0,
  minuteFreesIn: null,
  dayFreesIn: null,
};

/**
 * What was sent from the mailbox of an address (in lower case), by the database's clock, which all processes share; for
 * many at once it is one statement. Over all organizations and over rows of removed mailboxes: Microsoft counts the
 * mailbox, whoever of us it is connected to.
 */
export async function readUsage(em: EntityManager, emailAddress: string): Promise<SendUsage> {
  return (await loadUsage(em, emailAddress.toLowerCase())) ?? NOTHING;
}

const loadUsage = batching(async (em, emailAddresses: readonly string[]) => {
  const rows = await em.execute<
    { address: string; minute: number; day: number; minute_frees: number | null; day_frees: number | null }[]
  >(
    `select lower(mailbox.email_address) as address,
       count(*) filter (where sent.send_attempted_at > at - interval '1 minute')::int as minute,
       coalesce(sum(sent.recipient_count), 0)::int as day,
       (extract(epoch from min(sent.send_attempted_at)
         filter (where sent.send_attempted_at > at - interval '1 minute') - at) * 1000)::float8 as minute_frees,
       (extract(epoch from min(sent.send_attempted_at) - at) * 1000)::float8 as day_frees
     from clock_timestamp() as at
       join mailbox on lower(mailbox.email_address) in (?)
       join outbound_message as sent on sent.organization_id = mailbox.organization_id
         and sent.mailbox_id = mailbox.id and sent.send_attempted_at > at - interval '1 day'
     group by lower(mailbox.email_address), at`,
    [[...emailAddresses]],
  );
  return new Map(
    rows.map((row) => [
      row.address,
      {
        messagesLastMinute: row.minute,
        recipientsLastDay: row.day,
        minuteFreesIn: row.minute_frees === null ? null : row.minute_frees + MINUTE,
        dayFreesIn: row.day_frees === null ? null : row.day_frees + DAY,
      },
    ]),
  );
});

/**
 * Takes a place and commits the intent to send, in one transaction: `send_attempted_at` is both. Everybody who sends from
 * the mailbox, in whatever process, takes places one after the other. Call it inside a transaction.
 *
 * Gives null when the row is not at `version` any more: another process is at it.
 */
export async function takePlace(
  em: EntityManager,
  row: {
    id: string;
    organizationId: string;
    version: number;
    emailAddress: string;
    recipientCount: number;
    isNotification: boolean;
  },
  limits: SendLimits,
): Promise<Place | null> {
  await em.execute('select pg_advisory_xact_lock(hashtextextended(?, 0))', [
    `outbound-limits:${row.emailAddress.toLowerCase()}`,
  ]);
  const place = placeFor(await readUsage(em, row.emailAddress), row, limits);
  if (!place.granted) return place;
  const taken = await em.execute<object[]>(
    `update outbound_message set send_attempted_at = clock_timestamp(), version = version + 1
      where organization_id = ? and id = ? and version = ? and state = 'SENDING' returning id`,
    [row.organizationId, row.id, row.version],
  );
  return taken.length > 0 ? place : null;
}
