import { LockMode } from '@mikro-orm/core';
import { NotFoundError } from '../errors.ts';
import { enqueue } from '../jobs/define-job.ts';
import { checkWish, type ImportWish, keepWish } from '../mailboxes/existing-mail.ts';
import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { lockMailbox } from '../mailboxes/mailboxes.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { settingsChanged, tellOfImport } from './finish-import.ts';
import { importMailJob } from './import.jobs.ts';
import { ImportEndedError, ImportFolderChangedError, ImportRunningError } from './import-errors.ts';
import { resumedPlace } from './import-plan.ts';
import { MailImport, OPEN_IMPORT_STATES } from './mail-import.entity.ts';
import { CreateTicketsOffError, IncomingDisabledError } from './sync-errors.ts';

/**
 * Asks for an import of the mail that was there before incoming mail was enabled, and gives it back. Asked for the same
 * again while it is not over, it gives back that one, unless incoming mail was off meanwhile: then a new one takes its place. Throws `NotFoundError`, {@link IncomingDisabledError},
 * {@link CreateTicketsOffError}, {@link ImportRunningError}, and what {@link checkWish} throws.
 */
export async function requestImport(
  em: EntityManager,
  mailboxId: string,
  wish: ImportWish,
  clock: Clock,
): Promise<MailImport> {
  const checked = checkWish(wish, clock.now());
  return em.transactional(async (tx) => {
    // Locked: of two that ask at once the second finds the first's.
    const mailbox = await lockMailbox(tx, mailboxId);
    const mailImport = await startImport(tx, mailbox, checked, clock);
    mailbox.existingMail = keepWish(checked);
    await tx.flush();
    return mailImport;
  });
}

/** As {@link requestImport}, in the caller's transaction, with a mailbox that it has locked and a wish that was checked. */
export async function startImport(
  em: EntityManager,
  mailbox: Mailbox,
  wish: ImportWish,
  clock: Clock,
): Promise<MailImport> {
  const { folder, receiveFrom, incomingEnabled, createTickets, organization } = mailbox;
  if (!incomingEnabled || !folder || !receiveFrom) throw new IncomingDisabledError();
  if (!createTickets) throw new CreateTicketsOffError();
  const open = await openImport(em, mailbox.id);
  const isOfNow = open?.folderId === folder.id && open.until.getTime() === receiveFrom.getTime();
  if (open && isOfNow && isSameWish(open, wish)) {
    await standInLine(em, open, clock);
    return open;
  }
  if (open) {
    if (open.folderId === folder.id && !isSameWish(open, wish)) throw new ImportRunningError();
    // It would leave out what came while incoming mail was off, or end by itself with the next page.
    await endOutdated(em, open, clock);
  }
  const { mode, since, cutoff, targetStatus } = wish;
  const mailImport = em.create(MailImport, {
    organization,
    mailbox,
    mode,
    since,
    cutoff,
    targetStatus,
    folderId: folder.id,
    until: receiveFrom,
    state: 'QUEUED',
    createdAt: clock.now(),
  });
  await em.flush();
  await standInLine(em, mailImport, clock);
  await tellOfImport(em, mailImport);
  return mailImport;
}

/** Starts the import that was chosen with enabling, unless that was done: repeating the change imports nothing again. */
export async function importOnce(
  em: EntityManager,
  mailbox: Mailbox,
  wish: ImportWish,
  clock: Clock,
): Promise<void> {
  const { receiveFrom, folder } = mailbox;
  if (!receiveFrom || !folder) throw new IncomingDisabledError();
  const known = await em.findOne(MailImport, {
    mailbox: mailbox.id,
    until: receiveFrom,
    folderId: folder.id,
  });
  if (known) return;
  // One from before incoming mail was last switched off has not noticed yet.
  const open = await openImport(em, mailbox.id);
  if (open) await endOutdated(em, open, clock);
  await startImport(em, mailbox, checkWish(wish, clock.now()), clock);
}

/** Ends an import where it is. What it has brought stays. Idempotent. Throws `NotFoundError`, {@link ImportEndedError}. */
export async function cancelImport(em: EntityManager, id: string, clock: Clock): Promise<MailImport> {
  return em.transactional(async (tx) => {
    const { mailImport } = await lockImport(tx, id);
    if (mailImport.state === 'CANCELLED') return mailImport;
    if (!isOpen(mailImport)) throw new ImportEndedError();
    tx.assign(mailImport, { state: 'CANCELLED', finishedAt: clock.now(), resumesAt: null, problem: null });
    await tx.flush();
    await tellOfImport(tx, mailImport);
    return mailImport;
  });
}

/**
 * Lets an import that was cancelled or has failed go on from where it was. One that is not over is given back as it is.
 * Throws `NotFoundError`, {@link ImportEndedError}, {@link IncomingDisabledError}, {@link CreateTicketsOffError},
 * {@link ImportFolderChangedError}, {@link ImportRunningError}.
 */
export async function resumeImport(em: EntityManager, id: string, clock: Clock): Promise<MailImport> {
  return em.transactional(async (tx) => {
    const { mailImport, mailbox } = await lockImport(tx, id);
    if (mailImport.state === 'SUCCEEDED') throw new ImportEndedError();
    if (!mailbox.incomingEnabled) throw new IncomingDisabledError();
    if (!mailbox.createTickets) throw new CreateTicketsOffError();
    if (mailbox.folder?.id !== mailImport.folderId) throw new ImportFolderChangedError();
    if (!isOpen(mailImport)) {
      if (await openImport(tx, mailbox.id)) throw new ImportRunningError();
      const place = mailImport.place ? resumedPlace(mailImport.place) : null;
      tx.assign(mailImport, { state: 'QUEUED', place, finishedAt: null, problem: null, failures: 0 });
      await tx.flush();
      await tellOfImport(tx, mailImport);
    }
    await standInLine(tx, mailImport, clock);
    return mailImport;
  });
}

/**
 * The mailbox is locked first, as everywhere: a page that is being stored has it before it has the import. And the import
 * as well: its worker begins and pauses it without the mailbox, and of two changes at once one would be refused.
 */
async function lockImport(
  em: EntityManager,
  id: string,
): Promise<{ mailImport: MailImport; mailbox: Mailbox }> {
  const found = await em.findOne(MailImport, { id });
  if (!found) throw new NotFoundError('The import');
  const mailbox = await lockMailbox(em, found.mailbox.id);
  const mailImport = await em.findOne(
    MailImport,
    { id },
    { refresh: true, lockMode: LockMode.PESSIMISTIC_WRITE },
  );
  if (!mailImport) throw new NotFoundError('The import');
  return { mailImport, mailbox };
}

/** The import that is not over, locked; null when there is none. The mailbox must be locked already. */
function openImport(em: EntityManager, mailboxId: string): Promise<MailImport | null> {
  const where = { mailbox: mailboxId, state: { $in: [...OPEN_IMPORT_STATES] } };
  return em.findOne(MailImport, where, { refresh: true, lockMode: LockMode.PESSIMISTIC_WRITE });
}

/**
 * Ends the import that is not over, with the reason, because its mailbox is taken away: one that is paused would say for
 * as long as its pause lasts that it goes on. Call it in a transaction that has locked the mailbox.
 */
export async function endImport(em: EntityManager, mailboxId: string, clock: Clock): Promise<void> {
  const open = await openImport(em, mailboxId);
  if (open) await endOutdated(em, open, clock);
}

/** Ends one from before the settings were changed, which has not noticed yet. */
async function endOutdated(em: EntityManager, open: MailImport, clock: Clock): Promise<void> {
  const now = clock.now();
  em.assign(open, { state: 'CANCELLED', finishedAt: now, resumesAt: null, problem: settingsChanged(now) });
  await em.flush();
  await tellOfImport(em, open);
}

/** One that is paused keeps its time: Microsoft wants to be left alone until then. */
async function standInLine(
  em: EntityManager,
  { organization, mailbox, resumesAt }: MailImport,
  clock: Clock,
): Promise<void> {
  const input = { organizationId: organization.id, mailboxId: mailbox.id };
  const delayMilliseconds = (resumesAt?.getTime() ?? 0) - clock.now().getTime();
  await enqueue(em, importMailJob, input, { delayMilliseconds });
}

function isOpen({ state }: MailImport): boolean {
  return (OPEN_IMPORT_STATES as readonly string[]).includes(state);
}

function isSameWish(open: MailImport, wish: ImportWish): boolean {
  return (
    open.mode === wish.mode &&
    (open.targetStatus ?? null) === wish.targetStatus &&
    isSameTime(open.since, wish.since) &&
    isSameTime(open.cutoff, wish.cutoff)
  );
}

function isSameTime(one: Date | null | undefined, other: Date | null): boolean {
  return (one?.getTime() ?? null) === (other?.getTime() ?? null);
}
