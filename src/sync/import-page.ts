import type { JobContext } from '../jobs/define-job.ts';
import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { RequestCounter } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { tellOfImport, writeImportRun } from './finish-import.ts';
import { type ImportStep, importedAs } from './import-plan.ts';
import type { ReadStep } from './import-reader.ts';
import { MailImport } from './mail-import.entity.ts';
import type { SyncDependencies } from './run-sync.ts';
import { SupersededError } from './store-failure.ts';
import { type StoredCounts, storeAndFinish, storeUnreadable } from './store-mails.ts';

/** An import under way. */
export interface ImportWork {
  deps: SyncDependencies;
  context: Pick<JobContext, 'signal' | 'logger'>;
  mailbox: Mailbox;
  /** As it was at the last step. */
  mailImport: MailImport;
  /** Requests that are not written down yet. */
  counter: RequestCounter;
}

/**
 * Stores a page of an import and the place behind it, by the same path as a page of a sync. False when the settings have
 * changed so that it no longer counts. Throws `SupersededError` when it was cancelled, or another worker has gone on.
 */
export async function storeImportPage(work: ImportWork, { step, at, read }: ReadStep): Promise<boolean> {
  const { deps, context, mailbox, mailImport, counter } = work;
  const organizationId = mailbox.organization.id;
  const owner = {
    database: deps.database,
    clock: deps.clock,
    logger: context.logger.child({ mailboxId: mailbox.id, mailImportId: mailImport.id }),
    signal: context.signal,
    organizationId,
    mailboxId: mailbox.id,
    runId: null,
    folderId: mailImport.folderId,
    imported: { importedAs: importedAs(mailImport, at.phase) },
    count: (em: EntityManager, counts: StoredCounts) => addCounts(em, mailImport, counts),
  };
  const { requests } = counter;
  const moved = await storeAndFinish(owner, { mails: step.fresh, read }, async (em, current) => {
    await storeUnreadable(em, owner, current, step.unreadable);
    return movePlace(em, work, step, requests);
  });
  if (moved === null) return false;
  counter.requests -= requests;
  work.mailImport = moved;
  return true;
}

async function addCounts(
  em: EntityManager,
  { id, organization }: MailImport,
  { created, appended, ignored, failed }: StoredCounts,
): Promise<void> {
  await em.execute(
    `update mail_import set created = created + ?, appended = appended + ?, ignored = ignored + ?, failed = failed + ?
     where id = ? and organization_id = ?`,
    [created, appended, ignored, failed, id, organization.id],
  );
}

/** Gives the import as it is then. */
async function movePlace(
  em: EntityManager,
  { deps, mailImport }: ImportWork,
  { fresh, unreadable, next }: ImportStep,
  requests: number,
): Promise<MailImport> {
  const now = deps.clock.now();
  const { id, organization, version } = mailImport;
  const [moved] = await em.execute<unknown[]>(
    `update mail_import set place = ?::jsonb, seen = seen + ?, requests = requests + ?, failures = 0, problem = null,
       state = case when ? then 'RUNNING' else 'SUCCEEDED' end,
       finished_at = case when ? then null else ?::timestamptz end, version = version + 1, updated_at = ?::timestamptz
     where id = ? and organization_id = ? and state = 'RUNNING' and version = ?
     returning id`,
    [
      next && JSON.stringify(next),
      fresh.length + unreadable.length,
      requests,
      next !== null,
      next !== null,
      now,
      now,
      id,
      organization.id,
      version,
    ],
  );
  if (!moved) throw new SupersededError();
  const current = await em.findOneOrFail(MailImport, { id }, { refresh: true });
  if (next === null) writeImportRun(em, current, 'SUCCEEDED', now);
  await em.flush();
  await tellOfImport(em, current);
  return current;
}
