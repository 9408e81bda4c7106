import type { GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import type { IncomingMail } from './mail.ts';
import { mailboxPath } from './mail-folders.ts';

/** Reports are short; what is longer returns the mail that bounced, of which the beginning is enough. */
const MOST_REPORT_BYTES = 256 * 1024;

/**
 * The same mails, reports on delivery (RFC 3464) with their source: Graph's body is the part for people, and says neither
 * why nor which mail bounced when that is only in the parts for machines. One request for each report. A report that
 * Microsoft cannot give out stays as it is. Throws {@link GraphError} when Microsoft cannot be asked now.
 * https://learn.microsoft.com/graph/outlook-get-mime-message
 */
export async function withReports(
  client: GraphClient,
  scope: GraphScope,
  mails: readonly IncomingMail[],
): Promise<IncomingMail[]> {
  const read: IncomingMail[] = [];
  for (const mail of mails) {
    const report = isDeliveryReport(mail) ? await sourceOf(client, scope, mail.graphMessageId) : null;
    read.push(report === null ? mail : { ...mail, report });
  }
  return read;
}

function isDeliveryReport({ headers }: IncomingMail): boolean {
  const type = headers.find(({ name }) => name.toLowerCase() === 'content-type')?.value ?? '';
  return /^\s*multipart\/report\b/i.test(type) && /delivery-status/i.test(type);
}

async function sourceOf(client: GraphClient, scope: GraphScope, id: string): Promise<string | null> {
  const target = `${mailboxPath(scope.mailbox)}/messages/${encodeURIComponent(id)}/$value`;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    const stream = await client.stream(
      { operation: 'message.source', method: 'GET', target, subject: 'ITEM' },
      scope,
    );
    for await (const chunk of stream) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= MOST_REPORT_BYTES) break;
    }
  } catch (error) {
    // It will not be better next time, and the other mails of the page are waiting.
    const isFinal =
      error instanceof GraphError && [400, 403, 404, 410, 413, 422, 500].includes(error.status ?? 0);
    if (isFinal) return null;
    throw error;
  }
  return Buffer.concat(chunks).subarray(0, MOST_REPORT_BYTES).toString('utf8');
}
