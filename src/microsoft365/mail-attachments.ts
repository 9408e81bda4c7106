import { z } from 'zod';
import type { Clock } from '../platform/clock.ts';
import { type BatchPart, runBatch } from './graph-batch.ts';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import type { AttachmentAddress, IncomingAttachment } from './mail.ts';
import { oddMail } from './mail-delta.ts';
import { mailboxPath } from './mail-folders.ts';
import { ATTACHMENT_PROPERTIES, readAttachment } from './mail-reading.ts';

/** Exchange itself allows 250; what lies beyond is not listed. */
const MOST_ATTACHMENTS = 1_000;

const attachmentPage = z.object({ value: z.array(z.unknown()), '@odata.nextLink': z.string().nullish() });
const fileContent = z.object({ contentBytes: z.base64() });

interface AttachmentDeps {
  client: GraphClient;
  clock: Clock;
  random(): number;
}

/** See `MailApi.listAttachments`. */
export async function listAttachments(
  { client }: AttachmentDeps,
  scope: GraphScope,
  graphMessageId: string,
): Promise<IncomingAttachment[]> {
  const target = listPath(scope, graphMessageId);
  const json = await client.json(
    { operation: 'attachment.list', method: 'GET', target, subject: 'ITEM' },
    scope,
  );
  return readPages(client, scope, json);
}

/** See `MailApi.listAttachmentsOfMany`. */
export async function listAttachmentsOfMany(
  deps: AttachmentDeps,
  scope: GraphScope,
  graphMessageIds: readonly string[],
): Promise<Map<string, IncomingAttachment[] | GraphError>> {
  const ids = [...new Set(graphMessageIds)];
  const [only] = ids;
  // A batch takes the mailbox to itself; for a single mail that gains nothing.
  if (only !== undefined && ids.length === 1) {
    return new Map([[only, await orGraphError(listAttachments(deps, scope, only))]]);
  }
  const parts = ids.map((id): BatchPart => ({ method: 'GET', path: listPath(scope, id), subject: 'ITEM' }));
  const outcomes = await batchUnlessTooLarge(deps, 'attachment.list', parts, scope);
  const results = new Map<string, IncomingAttachment[] | GraphError>();
  for (const [index, id] of ids.entries()) {
    const outcome = outcomes?.[index];
    results.set(
      id,
      outcome !== undefined && 'error' in outcome
        ? outcome.error
        : await orGraphError(
            outcome === undefined
              ? listAttachments(deps, scope, id)
              : readPages(deps.client, scope, outcome.json),
          ),
    );
  }
  return results;
}

/** See `MailApi.readAttachment`. */
export function streamAttachment(
  { client }: AttachmentDeps,
  scope: GraphScope,
  { graphMessageId, graphAttachmentId }: AttachmentAddress,
): Promise<AsyncIterable<Uint8Array>> {
  const target = `${attachmentsPath(scope, graphMessageId)}/${encodeURIComponent(graphAttachmentId)}/$value`;
  return client.stream({ operation: 'attachment.content', method: 'GET', target, subject: 'ITEM' }, scope);
}

/**
 * See `MailApi.readSmallFiles`. Asks for the attachment with its `contentBytes` and not for its `$value`: in a batch a
 * `$value` of type JSON comes parsed, so that its bytes are lost.
 */
export async function readSmallFiles(
  deps: AttachmentDeps,
  scope: GraphScope,
  files: readonly AttachmentAddress[],
): Promise<(Uint8Array | GraphError | null)[]> {
  const parts = files.map(
    ({ graphMessageId, graphAttachmentId }): BatchPart => ({
      method: 'GET',
      path: `${attachmentsPath(scope, graphMessageId)}/${encodeURIComponent(graphAttachmentId)}`,
      subject: 'ITEM',
    }),
  );
  const outcomes = await batchUnlessTooLarge(deps, 'attachment.content', parts, scope);
  return files.map((_, index) => {
    const outcome = outcomes?.[index];
    if (outcome === undefined) return null;
    if ('error' in outcome) return outcome.error;
    const parsed = fileContent.safeParse(outcome.json);
    return parsed.success ? Buffer.from(parsed.data.contentBytes, 'base64') : null;
  });
}

/** Undefined when what the parts answer together is more than can be held. */
async function batchUnlessTooLarge(
  { client, clock, random }: AttachmentDeps,
  operation: string,
  parts: readonly BatchPart[],
  scope: GraphScope,
) {
  try {
    return await runBatch(client, { clock, random }, operation, parts, scope);
  } catch (error) {
    if (error instanceof GraphError && error.code === 'ANSWER_TOO_LARGE') return undefined;
    throw error;
  }
}

/** The first page and those that follow it. */
async function readPages(
  client: GraphClient,
  scope: GraphScope,
  first: unknown,
): Promise<IncomingAttachment[]> {
  const attachments: IncomingAttachment[] = [];
  const seen = new Set<string>();
  for (let json = first; ; ) {
    let target: string | null;
    try {
      const page = attachmentPage.parse(json);
      attachments.push(...page.value.map(readAttachment));
      target = page['@odata.nextLink'] ?? null;
    } catch (error) {
      throw oddMail(error);
    }
    if (target === null || seen.has(target) || attachments.length >= MOST_ATTACHMENTS) return attachments;
    seen.add(target);
    json = await client.json({ operation: 'attachment.list', method: 'GET', target, subject: 'ITEM' }, scope);
  }
}

async function orGraphError<T>(work: Promise<T>): Promise<T | GraphError> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof GraphError) return error;
    throw error;
  }
}

function listPath(scope: GraphScope, graphMessageId: string): string {
  return `${attachmentsPath(scope, graphMessageId)}?$select=${ATTACHMENT_PROPERTIES.join(',')}`;
}

function attachmentsPath({ mailbox }: Pick<GraphScope, 'mailbox'>, graphMessageId: string): string {
  return `${mailboxPath(mailbox)}/messages/${encodeURIComponent(graphMessageId)}/attachments`;
}
