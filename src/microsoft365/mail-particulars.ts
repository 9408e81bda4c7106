import { z } from 'zod';
import { SECOND } from '../platform/clock.ts';
import { type BatchOutcome, type BatchPart, runBatch } from './graph-batch.ts';
import type { GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import { postponementOf } from './graph-postpone.ts';
import type { RetryBudget } from './graph-retry.ts';
import type { IncomingMail } from './mail.ts';
import type { DeltaDeps } from './mail-delta.ts';
import { mailboxPath } from './mail-folders.ts';
import { isMeetingClass, readMeeting } from './mail-meeting.ts';

/** Microsoft has just given out the mail itself: that it does not tell more of it is about this mail. */
const BUDGET: RetryBudget = { attempts: 3, milliseconds: 8 * SECOND };

const OPERATION = 'message.particulars';

/** `PidTagMessageClass` (MS-OXPROPS). Graph writes it back as `String 0x1a`. */
const MESSAGE_CLASS = 'String 0x001A';
const WITH_CLASS = `?$select=id&$expand=${encodeURIComponent(`singleValueExtendedProperties($filter=id eq '${MESSAGE_CLASS}')`)}`;

const classed = z.object({
  singleValueExtendedProperties: z.array(z.object({ id: z.string(), value: z.string() })),
});

/**
 * The same mails with what Graph tells only of a single mail, by one more question about those few that may have it:
 *
 * - of a mail about a meeting, when and where it is. A `$select` may name these only with a type cast, which some mailboxes
 *   refuse, so the mail is asked for whole, as documented: https://learn.microsoft.com/graph/api/eventmessage-get
 * - of a mail whose headers say that a machine wrote it and not which one, its message class: whether it is an
 *   out-of-office reply, a receipt or a bounce, in whatever language. It is an extended property, which
 *   https://learn.microsoft.com/graph/api/singlevaluelegacyextendedproperty-get gives out for a single message; asked for in
 *   a delta query, where `$expand` is said to be supported, it was answered with 500 (microsoft-graph-docs #1993, #2270).
 *
 * 20 mails in a request; for most pages there is none. What Microsoft does not tell of a mail stays away. Throws
 * `GraphError` when Microsoft throttles, or refuses the account; the signal's reason.
 */
export async function withParticulars(
  deps: DeltaDeps,
  scope: GraphScope,
  mails: readonly IncomingMail[],
): Promise<IncomingMail[]> {
  const asked = mails.flatMap((mail, index) => {
    const isMeeting = isMeetingClass(mail.messageClass);
    return isMeeting || isOfUnknownMachine(mail) ? [{ mail, index, isMeeting }] : [];
  });
  const read = [...mails];
  if (asked.length === 0) return read;
  const parts = asked.map(({ mail, isMeeting }) => partOf(scope, mail, isMeeting));
  const outcomes = await askAll(deps, scope, parts);
  for (const [at, { mail, index, isMeeting }] of asked.entries()) {
    const outcome = outcomes[at];
    if (outcome === undefined) continue;
    if ('json' in outcome)
      read[index] = isMeeting ? withMeeting(mail, outcome.json) : withClass(mail, outcome.json);
    else if (postponementOf(outcome.error) !== null) throw outcome.error;
  }
  return read;
}

function partOf({ mailbox }: GraphScope, { graphMessageId }: IncomingMail, isMeeting: boolean): BatchPart {
  const path = `${mailboxPath(mailbox)}/messages/${encodeURIComponent(graphMessageId)}`;
  return { method: 'GET', path: isMeeting ? path : path + WITH_CLASS, subject: 'ITEM' };
}

/** Outcomes in their order. A batch takes the mailbox to itself, which gains nothing for a single mail. */
async function askAll(
  deps: DeltaDeps,
  scope: GraphScope,
  parts: readonly BatchPart[],
): Promise<BatchOutcome[]> {
  if (parts.length === 1) return askEach(deps, scope, parts);
  try {
    return await runBatch(deps.client, { ...deps, budget: BUDGET }, OPERATION, parts, scope);
  } catch (error) {
    if (error instanceof GraphError && error.code === 'ANSWER_TOO_LARGE') return askEach(deps, scope, parts);
    return parts.map(() => failureOf(error, scope));
  }
}

async function askEach(
  { client }: DeltaDeps,
  scope: GraphScope,
  parts: readonly BatchPart[],
): Promise<BatchOutcome[]> {
  const outcomes: BatchOutcome[] = [];
  for (const { path: target } of parts) {
    const call = { operation: OPERATION, method: 'GET', target, subject: 'ITEM', budget: BUDGET } as const;
    const asked = client.json(call, scope).then((json) => ({ json }));
    outcomes.push(await asked.catch((error: unknown) => failureOf(error, scope)));
  }
  return outcomes;
}

function failureOf(error: unknown, { signal }: GraphScope): BatchOutcome {
  signal.throwIfAborted();
  if (!(error instanceof GraphError)) throw error;
  return { error };
}

function withMeeting(mail: IncomingMail, json: unknown): IncomingMail {
  const meeting = readMeeting(json);
  if (meeting === null) return mail;
  const messageClass = CLASSES[meeting.method];
  return { ...mail, meeting, messageClass };
}

const CLASSES = {
  REQUEST: 'IPM.Schedule.Meeting.Request',
  CANCEL: 'IPM.Schedule.Meeting.Canceled',
  REPLY: 'IPM.Schedule.Meeting.Resp',
} as const;

function withClass(mail: IncomingMail, json: unknown): IncomingMail {
  const read = classed.safeParse(json);
  const found = read.data?.singleValueExtendedProperties.find(({ id }) => /^String 0x0*1a$/i.test(id));
  return found === undefined ? mail : { ...mail, messageClass: found.value };
}

/** Whether headers say that a machine wrote it, of those that Exchange itself writes, and do not say which kind it is. */
function isOfUnknownMachine({ headers }: IncomingMail): boolean {
  const first = (wanted: string) =>
    headers.find(({ name }) => name.toLowerCase() === wanted)?.value.slice(0, 2_000) ?? '';
  if (/^\s*auto-replied\b/i.test(first('auto-submitted'))) return false;
  const contentType = first('content-type');
  if (/^\s*multipart\/report\b/i.test(contentType)) return !/disposition-notification/i.test(contentType);
  return (
    /^\s*auto-(?!replied)/i.test(first('auto-submitted')) ||
    /\b(?:all|oof|autoreply)\b/i.test(first('x-auto-response-suppress')) ||
    first('x-ms-exchange-generated-message-source') !== '' ||
    /^\s*<\s*>\s*$/.test(first('return-path'))
  );
}
