import { InvalidInputError } from '../errors.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { MailApi, MailFolder } from '../microsoft365/mail.ts';
import { type Clock, SECOND } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { ianaTimeZone } from '../platform/zoned-time.ts';
import {
  checkWish,
  type ExistingMail,
  type ImportWish,
  isSameChoice,
  keepWish,
  NEW_ONLY,
} from './existing-mail.ts';
import type { AfterProcessing, FolderChoice, Mailbox, SyncIntervalMinutes } from './mailbox.entity.ts';
import {
  ArchiveFolderIsWatchedError,
  ArchiveFolderRequiredError,
  CopyFolderIsArchiveFolderError,
  CopyFolderIsWatchedError,
  InvalidFolderNameError,
  UnknownFolderError,
  UnknownTimeZoneError,
} from './mailbox-errors.ts';
import { accessOf, getMailbox, lockMailbox } from './mailboxes.ts';

/** A change of the incoming settings; what is left out stays as it is. */
export interface IncomingSettingsChange {
  enabled?: boolean;
  intervalMinutes?: SyncIntervalMinutes;
  /** A folder's id, or a well-known name such as `inbox`. */
  folderId?: string;
  createTickets?: boolean;
  afterProcessing?: AfterProcessing;
  archiveFolderId?: string;
  /** Where every incoming mail is copied to; null: no copies any more. */
  copyFolderId?: string | null;
  /** The group that tickets from new mail go to; null: none any more. The caller has checked it. */
  groupId?: string | null;
  /** A name of IANA's, or one of Windows'. */
  timeZone?: string;
  /** What becomes of the mail that is already there; null: it is left alone. Only together with enabling. */
  existingMail?: ImportWish | null;
}

/** What the settings need from outside. */
export interface IncomingSettingsDependencies {
  mail: MailApi;
  clock: Clock;
  signal: AbortSignal;
}

/** The folder that is watched unless another one is chosen. */
const DEFAULT_FOLDER = 'inbox';

/** The folders that a change names, as Microsoft knows them; null where it names none. */
export interface FoundFolders {
  folder: FolderChoice | null;
  archiveFolder: FolderChoice | null;
  copyFolder: FolderChoice | null;
}

/**
 * Looks up at Microsoft what a change names, so that a setting that cannot work is never saved. Call it outside of any
 * transaction: Microsoft may take its time, and an open transaction would hold a connection meanwhile.
 *
 * Throws `NotFoundError`, `UnknownFolderError`, and `GraphError` when Microsoft cannot be asked.
 */
export async function findFolders(
  em: EntityManager,
  mailboxId: string,
  change: IncomingSettingsChange,
  { mail, signal }: Pick<IncomingSettingsDependencies, 'mail' | 'signal'>,
): Promise<FoundFolders> {
  const mailbox = await getMailbox(em, mailboxId);
  const find = async (idOrName: string | null | undefined): Promise<FolderChoice | null> => {
    if (idOrName === undefined || idOrName === null) return null;
    const folder = await mail.getFolder(accessOf(mailbox), idOrName, signal);
    if (!folder) throw new UnknownFolderError();
    return { id: folder.id, displayName: folder.displayName };
  };
  const isFirstTime = change.enabled === true && !mailbox.folder;
  return {
    folder: await find(change.folderId ?? (isFirstTime ? DEFAULT_FOLDER : undefined)),
    archiveFolder: await find(change.archiveFolderId),
    copyFolder: await find(change.copyFolderId),
  };
}

/**
 * Changes the incoming settings of a mailbox, from what they are now: it is read again under a lock, so that of two changes
 * at once both count. Call it inside a transaction, with what {@link findFolders} found.
 *
 * Throws `NotFoundError`, `ArchiveFolderRequiredError`, `ArchiveFolderIsWatchedError`, `CopyFolderIsWatchedError`,
 * `CopyFolderIsArchiveFolderError`, `UnknownTimeZoneError`.
 */
export async function updateIncomingSettings(
  em: EntityManager,
  mailboxId: string,
  change: IncomingSettingsChange,
  found: FoundFolders,
  clock: Clock,
): Promise<Mailbox> {
  const mailbox = await lockMailbox(em, mailboxId);
  const timeZone = change.timeZone === undefined ? mailbox.timeZone : ianaTimeZone(change.timeZone);
  if (timeZone === null) throw new UnknownTimeZoneError();
  const enabled = change.enabled ?? mailbox.incomingEnabled;
  // The Inbox is only for want of another: somebody may have chosen one meanwhile.
  const folder = change.folderId === undefined ? (mailbox.folder ?? found.folder) : found.folder;
  const archiveFolder = found.archiveFolder ?? mailbox.archiveFolder ?? null;
  const afterProcessing = change.afterProcessing ?? mailbox.afterProcessing;
  if (afterProcessing === 'ARCHIVE') {
    if (!archiveFolder) throw new ArchiveFolderRequiredError();
    if (archiveFolder.id === folder?.id) throw new ArchiveFolderIsWatchedError();
  }
  const copyFolder = change.copyFolderId === undefined ? (mailbox.copyFolder ?? null) : found.copyFolder;
  if (copyFolder) {
    if (copyFolder.id === folder?.id) throw new CopyFolderIsWatchedError();
    if (afterProcessing === 'ARCHIVE' && copyFolder.id === archiveFolder?.id)
      throw new CopyFolderIsArchiveFolderError();
  }
  const existingMail = chooseExistingMail(mailbox, change, clock.now());
  const startsAnew = enabled && (!mailbox.incomingEnabled || folder?.id !== mailbox.folder?.id);
  em.assign(mailbox, {
    incomingEnabled: enabled,
    folder,
    archiveFolder,
    copyFolder,
    existingMail,
    afterProcessing,
    timeZone,
    groupId: change.groupId === undefined ? (mailbox.groupId ?? null) : change.groupId,
    createTickets: change.createTickets ?? mailbox.createTickets,
    syncIntervalMinutes: change.intervalMinutes ?? mailbox.syncIntervalMinutes,
    // The mail that is already there is left alone: from now on counts. Exchange tells times in whole seconds.
    receiveFrom: startsAnew ? wholeSecond(clock.now()) : (mailbox.receiveFrom ?? null),
  });
  await em.flush();
  return mailbox;
}

/**
 * The choice about existing mail after a change. It is made when incoming mail is switched on; repeating it later changes
 * nothing. Throws `InvalidInputError` for one that makes no sense, or comes too late.
 */
function chooseExistingMail(
  { existingMail, incomingEnabled }: Mailbox,
  change: IncomingSettingsChange,
  now: Date,
): ExistingMail | null {
  const known = existingMail ?? null;
  const isEnabling = change.enabled === true && !incomingEnabled;
  if (change.existingMail === undefined) return isEnabling ? null : known;
  const chosen = keepWish(change.existingMail && checkWish(change.existingMail, now));
  if (isEnabling || isSameChoice(chosen, known ?? NEW_ONLY)) return chosen;
  throw new InvalidInputError(
    'existingMail',
    'What becomes of existing mail is chosen together with switching incoming mail on.',
    'Leave it out, and use `importExistingMail`; or give `enabled: true` while incoming mail is off.',
  );
}

/**
 * Makes a folder, such as `processed-by-deskgraph`, at the top of the mailbox or below `parentFolderId`. Idempotent: an
 * existing one of that name is given back. Throws `NotFoundError`, `InvalidFolderNameError`, `UnknownFolderError` for the
 * parent, `GraphError`.
 */
export async function createMailFolder(
  em: EntityManager,
  mailboxId: string,
  { displayName, parentFolderId }: { displayName: string; parentFolderId: string | null },
  { mail, signal }: Pick<IncomingSettingsDependencies, 'mail' | 'signal'>,
): Promise<MailFolder> {
  const mailbox = await getMailbox(em, mailboxId);
  const name = displayName.trim();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (name.length === 0 || name.length > 200 || /[\u0000-\u001f\u007f/\\]/.test(name)) {
    throw new InvalidFolderNameError();
  }
  try {
    return await mail.createFolder(accessOf(mailbox), name, signal, parentFolderId);
  } catch (error) {
    if (error instanceof GraphError && error.code === 'FOLDER_NOT_FOUND') throw new UnknownFolderError();
    throw error;
  }
}

/** Exchange tells times in whole seconds. */
export function wholeSecond(time: Date): Date {
  return new Date(Math.floor(time.getTime() / SECOND) * SECOND);
}
