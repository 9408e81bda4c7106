import { enqueue } from '../jobs/define-job.ts';
import { chooseMicrosoft365, type InboundChannelChange } from '../mailboxes/inbound-channel.ts';
import {
  findFolders,
  type IncomingSettingsChange,
  type IncomingSettingsDependencies,
  updateIncomingSettings,
} from '../mailboxes/incoming-settings.ts';
import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { getMailbox } from '../mailboxes/mailboxes.ts';
import type { EntityManager } from '../platform/database.ts';
import { recordEvents } from '../realtime/record.ts';
import { findUsableGroup } from '../ticketing/groups.ts';
import { archiveFailedAgain, copyFailedAgain } from './archive-again.ts';
import { managePushJob } from './push.jobs.ts';
import { importOnce } from './request-import.ts';
import { requestSync } from './request-sync.ts';

/** A change where what is null or left out stays as it is. */
type PartialChange = {
  [Key in keyof IncomingSettingsChange]: IncomingSettingsChange[Key] | null | undefined;
};

/** The mailbox with its settings as they are now, and what that did to the organization's other channel. */
export interface UpdatedMailbox {
  mailbox: Mailbox;
  /** Null unless Microsoft 365 became the organization's channel by this. */
  inboundChannelChanged: InboundChannelChange | null;
}

/**
 * Changes a mailbox's incoming settings and, when mail is now taken in that was not before, starts a sync at once: it
 * sets the mark from which changes are listed. When it says where to archive or copy to, what could not be archived or
 * copied is tried again. Enabling makes Microsoft 365 the organization's inbound channel. Throws what `findFolders` and
 * `updateIncomingSettings` throw, and GroupNotAvailableError.
 */
export async function updateMailbox(
  em: EntityManager,
  mailboxId: string,
  change: PartialChange,
  deps: IncomingSettingsDependencies,
): Promise<UpdatedMailbox> {
  const given = Object.fromEntries(
    Object.entries(change).filter(([, value]) => value !== null && value !== undefined),
  ) as IncomingSettingsChange;
  // The two settings that null takes away.
  if (change.copyFolderId === null) given.copyFolderId = null;
  if (change.groupId === null) given.groupId = null;
  if (change.existingMail === null) given.existingMail = null;
  const found = await findFolders(em, mailboxId, given, deps);
  return em.transactional(async (tx) => {
    if (given.groupId) await keepOrFindGroup(tx, mailboxId, given.groupId);
    const mailbox = await updateIncomingSettings(tx, mailboxId, given, found, deps.clock);
    if (mailbox.incomingEnabled && (given.enabled || given.folderId))
      await requestSync(tx, mailbox, 'MANUAL');
    if (mailbox.afterProcessing !== 'KEEP' && (given.archiveFolderId || given.afterProcessing))
      await archiveFailedAgain(tx, mailbox.organization.id, mailboxId);
    if (given.copyFolderId !== undefined) await copyFailedAgain(tx, mailbox.organization.id, mailboxId);
    if (given.enabled !== undefined || given.folderId)
      await enqueue(tx, managePushJob, { organizationId: mailbox.organization.id, mailboxId });
    if (given.existingMail) await importOnce(tx, mailbox, given.existingMail, deps.clock);
    await recordEvents(tx, mailbox.organization.id, [{ type: 'sync-status.changed', mailboxId }]);
    // Last: until the end nobody else of the organization takes mail in.
    const switches = given.enabled === true;
    const inboundChannelChanged = switches ? await chooseMicrosoft365(tx, mailbox.organization.id) : null;
    return { mailbox, inboundChannelChanged };
  });
}

/** The group that it has already may stay, archived or not: settings are saved as a whole. */
async function keepOrFindGroup(tx: EntityManager, mailboxId: string, groupId: string): Promise<void> {
  const mailbox = await getMailbox(tx, mailboxId);
  if (mailbox.groupId !== groupId) await findUsableGroup(tx, groupId);
}
