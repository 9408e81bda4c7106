import type { FolderChoice, Mailbox } from './mailbox.entity.ts';

/** What Microsoft tells of the mailbox that has an address now; null where it was not asked. */
export interface MailboxIdentity {
  inboxFolderId: string | null;
  /** Every id that its user goes by: a profile and a sign-in may name it differently. */
  microsoftUserIds: readonly (string | null)[];
}

/**
 * Whether the address of a known mailbox belongs to another one by now: a user who was deleted and made anew, or who moved
 * to another tenant. False where nothing says so.
 */
export function isAnotherMailbox(
  known: Pick<Mailbox, 'inboxFolderId' | 'microsoftUserId'>,
  now: MailboxIdentity,
): boolean {
  if (known.inboxFolderId != null && now.inboxFolderId !== null) {
    return known.inboxFolderId !== now.inboxFolderId;
  }
  const ids = now.microsoftUserIds.filter((id) => id !== null && id !== '');
  return known.microsoftUserId != null && ids.length > 0 && !ids.includes(known.microsoftUserId);
}

/**
 * The settings that name folders, as another mailbox begins with them: those of the former one do not exist in it. Where
 * incoming mail is on, the next run finds its Inbox and watches that; nothing is moved or deleted before somebody says so anew.
 */
export function withoutFolders({ incomingEnabled }: Pick<Mailbox, 'incomingEnabled'>) {
  return {
    inboxFolderId: null,
    folder: incomingEnabled ? UNKNOWN_INBOX : null,
    archiveFolder: null,
    copyFolder: null,
    afterProcessing: 'KEEP' as const,
  };
}

/** The Inbox of a mailbox that was not asked for its id yet, by the name that Exchange knows it by in every language. */
export const UNKNOWN_INBOX: FolderChoice = { id: 'inbox', displayName: 'Inbox' };
