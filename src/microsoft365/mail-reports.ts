import { SECOND } from '../platform/clock.ts';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { SLOTS_PER_MAILBOX } from './graph-gate.ts';
import { postponementOf } from './graph-postpone.ts';
import type { RetryBudget } from './graph-retry.ts';
import type { IncomingMail } from './mail.ts';
import { mailboxPath } from './mail-folders.ts';

/** Reports are short; what is longer returns the mail that bounced, of which the beginning is enough. */
const MOST_REPORT_BYTES = 256 * 1024;
/** One slot of the mailbox is left to others. */
const AT_ONCE = SLOTS_PER_MAILBOX - 1;
/** For all reports of a page: a flood of bounces must not hold up the mail among them. */
const PAGE_MILLISECONDS = 20 * SECOND;
/** Microsoft has just given out the mail itself: that it does not give the source as well is about this mail. */
const BUDGET: RetryBudget = { attempts: 3, milliseconds: 8 * SECOND };

/**
 * The same mails, reports on delivery (RFC 3464) with their source: Graph's body is the part for people, and says neither
 * why nor which mail bounced when that is only in the parts for machines. One request for each report, a few at a time, and
 * some seconds for all of them; what is left then, and a report that Microsoft cannot give out, stays as it is. Throws
 * `GraphError` when Microsoft throttles, or refuses the account; the signal's reason.
 * https://learn.microsoft.com/graph/outlook-get-mime-message
 */
export async function withReports(
  client: GraphClient,
  scope: GraphScope,
  mails: readonly IncomingMail[],
): Promise<IncomingMail[]> {
  const read = [...mails];
  const reports = mails.flatMap((mail, index) => (isDeliveryReport(mail) ? [{ mail, index }] : []));
  if (reports.length === 0) return read;
  const stop = new AbortController();
  const timeout = AbortSignal.timeout(PAGE_MILLISECONDS);
  const signal = AbortSignal.any([scope.signal, timeout, stop.signal]);
  const next = reports.values(); // one for all of them: each takes what comes next
  const readOn = async () => {
    for (const { mail, index } of next) {
      const report = await sourceOf(client, { ...scope, signal }, mail.graphMessageId).catch((error) => {
        scope.signal.throwIfAborted();
        if (postponementOf(error) !== null) throw error;
        return null;
      });
      if (report !== null) read[index] = { ...mail, report };
      if (signal.aborted) return;
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, readOn));
  } finally {
    stop.abort(); // when one has failed for all
  }
  return read;
}

function isDeliveryReport({ headers }: IncomingMail): boolean {
  const type = headers.find(({ name }) => name.toLowerCase() === 'content-type')?.value.slice(0, 2_000) ?? '';
  return /^\s*multipart\/report\b/i.test(type) && /delivery-status/i.test(type);
}

async function sourceOf(client: GraphClient, scope: GraphScope, id: string): Promise<string> {
  const target = `${mailboxPath(scope.mailbox)}/messages/${encodeURIComponent(id)}/$value`;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const stream = await client.stream(
    { operation: 'message.source', method: 'GET', target, subject: 'ITEM', budget: BUDGET },
    scope,
  );
  for await (const chunk of stream) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= MOST_REPORT_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MOST_REPORT_BYTES).toString('utf8');
}
