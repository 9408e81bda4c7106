import type { Caller } from './caller.ts';
import type { DirectoryUser } from './directory-user.ts';
import { ownAddress, sentMail } from './draft.ts';
import { GraphFault } from './graph-fault.ts';
import { blankMail, type MailContent, storeMail, writeHeaders } from './mail-content.ts';
import { folderOf } from './mailbox-folders.ts';
import { addressesOf, type EmulatorState, findUserByAddress } from './state.ts';

/** Exchange takes no more recipients for one message. */
const MOST_RECIPIENTS = 500;

/**
 * Sends a mail: into the Inbox of every recipient who has a mailbox here, in whatever tenant. Unknown addresses of an
 * emulated domain come back as a non-delivery report; mail to other domains leaves the emulated world.
 * Returns the mail as it was sent. Throws 400 `ErrorInvalidRecipients`.
 */
export function deliverMail(state: EmulatorState, owner: DirectoryUser, draft: MailContent): MailContent {
  const now = state.clock.now();
  const mail = sentMail(draft, now);
  const recipients = [...mail.to, ...mail.cc, ...mail.bcc];
  const isBad = recipients.length === 0 || recipients.length > MOST_RECIPIENTS;
  if (isBad || recipients.some(({ address }) => !/^[^@\s]+@[^@\s]+$/.test(address))) {
    throw new GraphFault(400, 'ErrorInvalidRecipients', 'At least one recipient is not valid.');
  }
  const arriving: MailContent = {
    ...mail,
    bcc: [],
    categories: [],
    isRead: false,
    extendedProperties: new Map(),
  };
  for (const address of new Set(recipients.map((recipient) => recipient.address.toLowerCase()))) {
    const user = findUserByAddress(state, address);
    const mailbox = user === undefined ? undefined : state.mailboxes.get(user.id);
    if (mailbox !== undefined) storeMail(mailbox, folderOf(mailbox, 'inbox'), arriving, now);
    else if (isEmulatedDomain(state, address)) bounce(state, owner, mail, address);
  }
  return mail;
}

/** Throws 403 `ErrorSendAsDenied` unless the caller may send as the address the mail is from. */
export function assertMaySendAs(
  state: EmulatorState,
  caller: Caller,
  owner: DirectoryUser,
  mail: MailContent,
): void {
  const from = mail.from?.address.toLowerCase();
  if (from === undefined) return;
  const sender = findUserByAddress(state, from);
  // An application may send as the mailbox it addresses; a person as themselves and with the right to Send As.
  const isAllowed =
    caller.userId === null
      ? addressesOf(owner).includes(from)
      : sender?.id === caller.userId || sender?.sendAs.includes(caller.userId) === true;
  if (!isAllowed) {
    throw new GraphFault(
      403,
      'ErrorSendAsDenied',
      'The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account.',
    );
  }
}

function isEmulatedDomain(state: EmulatorState, address: string): boolean {
  const domain = address.slice(address.lastIndexOf('@') + 1);
  for (const tenant of state.tenants.values()) if (tenant.domain === domain) return true;
  return false;
}

function bounce(state: EmulatorState, owner: DirectoryUser, mail: MailContent, address: string): void {
  const mailbox = state.mailboxes.get(owner.id);
  if (mailbox === undefined) return;
  const now = state.clock.now();
  const own = ownAddress(owner);
  const postmaster = { name: 'Microsoft Outlook', address: `postmaster@${own.address.split('@')[1] ?? ''}` };
  const report: MailContent = {
    ...blankMail(now),
    subject: `Undeliverable: ${mail.subject}`,
    from: postmaster,
    sender: postmaster,
    to: [own],
    headers: [
      { name: 'Auto-Submitted', value: 'auto-replied' },
      { name: 'In-Reply-To', value: mail.internetMessageId },
      { name: 'References', value: mail.internetMessageId },
    ],
    body: {
      contentType: 'text',
      content: `Your message to ${address} couldn't be delivered.\r\n\r\nStatus code: 550 5.1.10\r\nThe recipient was not found.\r\n`,
    },
    extendedProperties: new Map([['String 0x001A', 'REPORT.IPM.Note.NDR']]),
  };
  storeMail(mailbox, folderOf(mailbox, 'inbox'), { ...report, headers: writeHeaders(report) }, now);
}
