import type { Caller } from './caller.ts';
import { bounceMail, deliverMail, recipientsOf } from './delivery.ts';
import type { DirectoryUser } from './directory-user.ts';
import { GraphFault } from './graph-fault.ts';
import { type MailContent, storeMail } from './mail-content.ts';
import type { StoredMessage } from './mailbox.ts';
import { folderOf } from './mailbox-folders.ts';
import { destroyMessage, moveMessage, putBackMessage } from './messages.ts';
import { outgoingHeaders } from './outgoing-headers.ts';
import { primaryAddress, sendersOf } from './send-rights.ts';
import { admitMail } from './sending-limits.ts';
import type { SendingRules } from './sending-rules.ts';
import { type MailUnderWay, rulesOf } from './sending-state.ts';
import type { EmulatorState } from './state.ts';

/** Exchange takes no more recipients for one message. */
const MOST_RECIPIENTS = 500;
/** `setTimeout` fires at once beyond this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A mail that somebody wants to send. */
export interface Posting {
  caller: Caller;
  /** Whose mailbox it is sent from. */
  owner: DirectoryUser;
  mail: MailContent;
  /** The message that `mail` is, when it is a stored draft. */
  draft: StoredMessage | null;
  /** False: no copy in Sent Items, unless an administrator has said always. */
  save: boolean;
}

/** Takes mail to be sent and brings it where it belongs, at once or when its rules say. */
export class PostOffice {
  readonly #state: EmulatorState;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(state: EmulatorState) {
    this.#state = state;
    state.clock.onMove(() => this.round());
  }

  /**
   * Takes a mail. Throws 400 `ErrorInvalidRecipients`, 403 `ErrorSendAsDenied`, and what `admitMail` throws; then nothing
   * has happened.
   */
  post({ caller, owner, mail, draft, save }: Posting): void {
    const state = this.#state;
    const now = state.clock.now();
    if (draft !== null && this.isUnderWay(draft)) {
      throw new GraphFault(400, 'ErrorInvalidRequest', 'The message is being sent already.');
    }
    assertRecipients(mail);
    const rules = rulesOf(state, owner.id);
    const { from, sender, fromUser, right } = sendersOf(
      state,
      caller,
      owner,
      mail.from ?? primaryAddress(owner),
      rules,
    );
    const admission = admitMail(state.sending, owner.id, rules, mail, now);
    const startAt = admission.is === 'TAKEN' ? admission.startAt : now;
    const sent = sentMail({ ...mail, from, sender }, rules, startAt);
    const always =
      (right === 'SEND_AS' && copyRules(state, fromUser).messageCopyForSentAs) ||
      (right === 'ON_BEHALF' && copyRules(state, fromUser).messageCopyForSendOnBehalf);
    const filedAt = rules.copyGoesToSender ? (caller.userId ?? owner.id) : owner.id;
    const copyTo = new Set([
      ...(save ? [filedAt] : []),
      ...(always && fromUser !== undefined ? [fromUser.id] : []),
    ]);
    if (admission.is === 'BOUNCED') {
      for (const recipient of recipientsOf(sent)) bounceMail(state, sent, { recipient, ...admission });
    }
    const underWay: MailUnderWay = {
      ownerId: owner.id,
      callerId: caller.userId,
      mail: sent,
      draft,
      copyTo: [...copyTo],
      deliverAt: startAt + rules.deliveryDelayMs,
      copyAt: startAt + rules.sentCopyDelayMs,
      isDelivered: admission.is === 'BOUNCED',
      isCopied: false,
    };
    state.sending.underWay.push(underWay);
    if (draft !== null && underWay.copyAt > now) this.#setAside(underWay, draft, rules, now);
    this.round();
  }

  /** Whether a message was taken to be sent and has not yet become its copy in Sent Items. */
  isUnderWay(message: StoredMessage): boolean {
    return this.#state.sending.underWay.some(({ draft, isCopied }) => draft === message && !isCopied);
  }

  /** Does everything that is due, and sets the clock for the next. */
  round(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const { sending, clock } = this.#state;
    const now = clock.now();
    for (const one of sending.underWay) {
      if (!one.isDelivered && one.deliverAt <= now) {
        one.isDelivered = true;
        deliverMail(this.#state, one.mail);
      }
      if (!one.isCopied && one.copyAt <= now) {
        one.isCopied = true;
        this.#file(one, now);
      }
    }
    sending.underWay = sending.underWay.filter((one) => !one.isDelivered || !one.isCopied);
    const due = sending.underWay.map((one) =>
      Math.min(one.isDelivered ? Infinity : one.deliverAt, one.isCopied ? Infinity : one.copyAt),
    );
    if (due.length === 0) return;
    const next = due.reduce((earliest, at) => Math.min(earliest, at));
    const waitMs = Math.min(LONGEST_TIMER_MS, Math.max(1, next - now));
    this.#timer = setTimeout(() => this.round(), waitMs).unref();
  }

  /** Nothing more is delivered; what is under way stays in the state. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #setAside(one: MailUnderWay, draft: StoredMessage, { whileSending }: SendingRules, now: number): void {
    const mailbox = this.#state.mailboxes.get(one.ownerId);
    if (mailbox === undefined) return;
    if (whileSending === 'OUTBOX') moveMessage(mailbox, draft, folderOf(mailbox, 'outbox'), now);
    else destroyMessage(mailbox, draft);
  }

  /** Puts the copies into Sent Items; the draft becomes one of them where it can. */
  #file({ ownerId, draft, mail, copyTo }: MailUnderWay, now: number): void {
    const { mailboxes } = this.#state;
    const own = mailboxes.get(ownerId);
    if (own !== undefined && draft !== null) {
      // Somebody may have deleted it for good meanwhile.
      if (own.messages.has(draft.immutableId)) destroyMessage(own, draft);
      if (copyTo.includes(ownerId)) {
        const { newIdAfterSend } = rulesOf(this.#state, ownerId);
        if (newIdAfterSend) storeMail(own, folderOf(own, 'sentitems'), mail, now);
        else putBackMessage(own, draft, folderOf(own, 'sentitems'), copyOf(mail), now);
      }
    }
    for (const userId of copyTo) {
      const mailbox = mailboxes.get(userId);
      if (mailbox === undefined || (userId === ownerId && draft !== null)) continue;
      storeMail(mailbox, folderOf(mailbox, 'sentitems'), copyOf(mail), now);
    }
  }
}

/** The mail that leaves: no longer a draft, with all its headers written, dated now. */
function sentMail(draft: MailContent, rules: SendingRules, now: number): MailContent {
  const mail = { ...draft, isDraft: false, isRead: true, sentAt: now, receivedAt: now };
  return { ...mail, headers: outgoingHeaders(mail, rules.dropsHeaders) };
}

function copyOf(mail: MailContent): MailContent {
  return { ...mail, isRead: true };
}

function copyRules(state: EmulatorState, user: DirectoryUser | undefined): Partial<SendingRules> {
  return user === undefined ? {} : rulesOf(state, user.id);
}

function assertRecipients(mail: MailContent): void {
  const recipients = [...mail.to, ...mail.cc, ...mail.bcc];
  const isBad = recipients.length === 0 || recipients.length > MOST_RECIPIENTS;
  if (isBad || recipients.some(({ address }) => !/^[^@\s]+@[^@\s]+$/.test(address))) {
    throw new GraphFault(400, 'ErrorInvalidRecipients', 'At least one recipient is not valid.');
  }
}
