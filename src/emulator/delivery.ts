import { recordDelivery } from './delivery-ledger.ts';
import { type MailContent, storeMail } from './mail-content.ts';
import type { MailAddress } from './mailbox.ts';
import { folderOf } from './mailbox-folders.ts';
import { type DeliveryFailure, nonDeliveryReport } from './non-delivery-report.ts';
import { rulesOf } from './sending-state.ts';
import { type EmulatorState, findUserByAddress } from './state.ts';

/**
 * Brings a mail to everybody it is for: into the Inbox of those who have a mailbox here, in whatever tenant. An unknown
 * address of an emulated domain, and a mailbox that takes nothing, come back to the sender as a report; mail to other
 * domains leaves the emulated world. Every arrival is written down.
 */
export function deliverMail(state: EmulatorState, mail: MailContent): void {
  const arriving: MailContent = {
    ...mail,
    bcc: [],
    categories: [],
    isRead: false,
    flag: { flagStatus: 'notFlagged' },
    extendedProperties: new Map(),
  };
  const now = state.clock.now();
  for (const recipient of recipientsOf(mail)) {
    const failure = arrive(state, arriving, recipient, now);
    if (failure !== null) bounceMail(state, mail, failure);
  }
}

/** Sends a mail back to who sent it, as a report. */
export function bounceMail(state: EmulatorState, mail: MailContent, failure: DeliveryFailure): void {
  const now = state.clock.now();
  recordDelivery(state.sending.deliveries, mail, failure.recipient, 'BOUNCED', now);
  const sender: MailAddress | null = mail.sender ?? mail.from;
  const user = sender === null ? undefined : findUserByAddress(state, sender.address);
  const mailbox = user === undefined ? undefined : state.mailboxes.get(user.id);
  if (sender === null || mailbox === undefined) return;
  storeMail(mailbox, folderOf(mailbox, 'inbox'), nonDeliveryReport(mail, sender, failure, now), now);
}

/** Everybody a mail is for, each once, in lower case. */
export function recipientsOf(mail: Pick<MailContent, 'to' | 'cc' | 'bcc'>): string[] {
  return [...new Set([...mail.to, ...mail.cc, ...mail.bcc].map(({ address }) => address.toLowerCase()))];
}

function arrive(
  state: EmulatorState,
  mail: MailContent,
  recipient: string,
  now: number,
): DeliveryFailure | null {
  const { deliveries } = state.sending;
  const user = findUserByAddress(state, recipient);
  const mailbox = user === undefined ? undefined : state.mailboxes.get(user.id);
  if (user === undefined || user.mailbox === null || mailbox === undefined) {
    if (state.exchange.groups.has(recipient)) recordDelivery(deliveries, mail, recipient, 'GROUP', now);
    else if (isEmulatedDomain(state, recipient)) return notFound(recipient);
    else recordDelivery(deliveries, mail, recipient, 'OUTSIDE', now);
    return null;
  }
  const { refusesMail, isFull } = rulesOf(state, user.id);
  if (refusesMail !== null) return { recipient, ...refusesMail };
  if (isFull) return { recipient, status: '5.2.2', diagnostic: '554 5.2.2 mailbox full' };
  recordDelivery(deliveries, mail, recipient, 'DELIVERED', now);
  storeMail(mailbox, folderOf(mailbox, 'inbox'), { ...mail, receivedAt: now }, now);
  return null;
}

function notFound(recipient: string): DeliveryFailure {
  return {
    recipient,
    status: '5.1.10',
    diagnostic: '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup',
  };
}

function isEmulatedDomain(state: EmulatorState, address: string): boolean {
  const domain = address.slice(address.lastIndexOf('@') + 1);
  for (const tenant of state.tenants.values()) if (tenant.domain === domain) return true;
  return false;
}
