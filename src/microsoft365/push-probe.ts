import { z } from 'zod';
import type { GraphCall, GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import { DEFAULT_BUDGET, type RetryBudget } from './graph-retry.ts';
import type { IncomingMail } from './mail.ts';
import { mailboxPath } from './mail-folders.ts';

/** What people see in the folder, for a second or for minutes. Of the past as well: a mail of that name may still be listed. */
export const PROBE_SUBJECT = 'Deskgraph checks whether new mail is announced';
const TEXT =
  'Deskgraph made this draft to see whether Microsoft 365 announces what is new in this folder, and removes it within minutes. Should you read this, you may delete it.';
/** By which our drafts are told from everybody else's, even by a process that knows nothing of them. The id is our own. */
const MARK = { id: 'String {8f2d4a52-6c0e-4f3b-9a57-2b1d6f0c7e91} Name DeskgraphPushProbe', value: 'draft' };
/** One process at a time leaves one draft behind, and each begins by removing it. */
const MOST_LEFT = 20;
/** The caller tries again by its own plan; a probe that was made minutes after it was written down measures nothing. */
const ONE_ATTEMPT: RetryBudget = { ...DEFAULT_BUDGET, attempts: 1 };

const created = z.object({ id: z.string().min(1) });
const draft = z.object({
  id: z.string().min(1),
  isDraft: z.boolean().nullish(),
  subject: z.string().nullish(),
});
const left = z.object({
  value: z.array(draft),
});

/** Whether a mail is a probe's draft, which concerns nobody. */
export function isPushProbe({ isDraft, subject }: Pick<IncomingMail, 'isDraft' | 'subject'>): boolean {
  return isDraft && subject === PROBE_SUBJECT;
}

/** See `PushApi.makeProbe`. https://learn.microsoft.com/graph/api/mailfolder-post-messages */
export async function makeProbe(client: GraphClient, scope: GraphScope, folderId: string): Promise<string> {
  const json = await client.json(
    {
      operation: 'probe.create',
      method: 'POST',
      target: `${mailboxPath(scope.mailbox)}/mailFolders/${encodeURIComponent(folderId)}/messages`,
      subject: 'FOLDER',
      body: {
        subject: PROBE_SUBJECT,
        body: { contentType: 'text', content: TEXT },
        isRead: true,
        singleValueExtendedProperties: [MARK],
      },
      budget: ONE_ATTEMPT,
    },
    scope,
  );
  return read(created, json).id;
}

/** See `PushApi.removeProbe`. */
export async function removeProbe(
  client: GraphClient,
  scope: GraphScope,
  { folderId, messageId }: { folderId: string; messageId: string | null },
): Promise<void> {
  const drafts =
    messageId === null ? await findLeft(client, scope, folderId) : await findOne(client, scope, messageId);
  // Asked for just now: a draft that somebody has written into and sent keeps its id, and is a mail of theirs.
  for (const { id, isDraft, subject } of drafts) {
    if (isPushProbe({ isDraft: isDraft === true, subject: subject ?? '' })) await destroy(client, scope, id);
  }
}

type FoundDraft = z.infer<typeof draft>;

/** What has become of a draft whose id is known; nothing when it is gone. */
async function findOne(client: GraphClient, scope: GraphScope, id: string): Promise<FoundDraft[]> {
  const target = `${mailboxPath(scope.mailbox)}/messages/${encodeURIComponent(id)}?$select=id,isDraft,subject`;
  try {
    const json = await client.json(
      { operation: 'probe.look', method: 'GET', target, subject: 'ITEM' },
      scope,
    );
    return [read(draft, json)];
  } catch (error) {
    if (error instanceof GraphError && error.code === 'ITEM_NOT_FOUND') return [];
    throw error;
  }
}

/** The drafts of probes whose ids got lost with a process. */
async function findLeft(client: GraphClient, scope: GraphScope, folderId: string): Promise<FoundDraft[]> {
  const folder = `${mailboxPath(scope.mailbox)}/mailFolders/${encodeURIComponent(folderId)}`;
  // Drafts only: mail that people made of probes and sent keeps the mark, and would fill the page.
  const filter = `isDraft eq true and singleValueExtendedProperties/any(ep: ep/id eq '${MARK.id}' and ep/value eq '${MARK.value}')`;
  const target = `${folder}/messages?$select=id,isDraft,subject&$top=${MOST_LEFT}&$filter=${encodeURIComponent(filter)}`;
  try {
    const json = await client.json(
      { operation: 'probe.find', method: 'GET', target, subject: 'FOLDER' },
      scope,
    );
    return read(left, json).value;
  } catch (error) {
    // With the folder its drafts are gone.
    if (error instanceof GraphError && error.code === 'FOLDER_NOT_FOUND') return [];
    throw error;
  }
}

/** Removes a draft for good, past Deleted Items: nobody shall find it there. */
async function destroy(client: GraphClient, scope: GraphScope, id: string): Promise<void> {
  const path = `${mailboxPath(scope.mailbox)}/messages/${encodeURIComponent(id)}`;
  const call = (operation: string, method: 'POST' | 'DELETE', target: string): GraphCall => ({
    operation,
    method,
    target,
    subject: 'ITEM',
    isRepeatable: true,
  });
  try {
    await client.json(call('probe.remove', 'POST', `${path}/permanentDelete`), scope);
  } catch (error) {
    if (!(error instanceof GraphError) || error.isTransient) throw error;
    // Not every cloud of Microsoft's has it, and what it answers there is written nowhere. A plain deletion moves into
    // Deleted Items, and the second one out of it; the id survives the move.
    try {
      for (let times = 0; times < 2; times += 1) {
        await client.json(call('probe.delete', 'DELETE', path), scope);
      }
    } catch (second) {
      if (!(second instanceof GraphError) || second.code !== 'ITEM_NOT_FOUND') throw second;
    }
  }
}

function read<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph answered about a draft in an unknown form.', {
    cause: parsed.error,
  });
}
