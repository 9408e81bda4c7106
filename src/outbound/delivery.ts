import type { Sender } from '../mailboxes/choose-identity.ts';
import { markIdentity } from '../mailboxes/identities.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import type { MailboxAccess } from '../microsoft365/mail.ts';
import type { MailSending, OutgoingCopy } from '../microsoft365/mail-sending.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, EntityManager } from '../platform/database.ts';
import type { ObjectStorages } from '../platform/object-storage.ts';
import type { SecretBox } from '../platform/secrets.ts';
import { isClearRefusal } from './delivery-failure.ts';
import type { WantedFile } from './delivery-files.ts';
import {
  type DeliveryStep,
  type Found,
  nextStep,
  readFindings,
  type SettlingTimes,
} from './delivery-plan.ts';
import type { Reached } from './fault-points.ts';
import { holdsUpAnother } from './next-mail.ts';
import type { OutboundObserver } from './outbound-metrics.ts';
import {
  DRAFT_DELETED,
  notConfirmed,
  SEND_UNCLEAR,
  SENDING_LIMIT,
  sendingProblem,
  type WaitingCode,
} from './outbound-problems.ts';
import {
  type DeliveryRow,
  databaseNow,
  type LoadedMail,
  LostRowError,
  nameMessage,
  type OutboundChanges,
  saveClaimed,
} from './outbox-rows.ts';
import { recordEnd, release, writeTogether } from './record-delivery.ts';
import { type SendLimits, takePlace } from './send-limits.ts';
import { noteUnblocked } from './sending-pause.ts';
import { putFiles } from './upload-files.ts';

/** What a delivery works with. */
export interface DeliveryDeps {
  database: Database;
  sending: MailSending;
  storages: ObjectStorages;
  secretBox: SecretBox;
  clock: Clock;
  /** Passed at each fault point, where a test may end the process. */
  reached: Reached;
  limits: SendLimits;
  times: SettlingTimes;
  observer: OutboundObserver;
}

/** `BLOCKED`: the mailbox as a whole has to wait, in milliseconds. `POSTPONED`: this mail alone. */
export type Delivered = { kind: 'ENDED' | 'POSTPONED' } | { kind: 'BLOCKED'; milliseconds: number };

/** One attempt to send a mail: it takes the steps that delivery-plan.ts gives, and writes down each before the next. */
export class Delivery {
  readonly #deps: DeliveryDeps;
  readonly #em: EntityManager;
  readonly #row: DeliveryRow;
  readonly #sender: Sender;
  readonly #refusal: LoadedMail['refusal'];
  readonly #files: readonly WantedFile[];
  readonly #signal: AbortSignal;
  #found: Found | null = null;
  /** Whether Microsoft has said in this attempt that the draft is gone. */
  #wasGone = false;

  constructor(
    deps: DeliveryDeps,
    em: EntityManager,
    { row, sender, refusal }: LoadedMail,
    files: readonly WantedFile[],
    signal: AbortSignal,
  ) {
    this.#deps = deps;
    this.#em = em;
    this.#row = row;
    this.#sender = sender;
    this.#refusal = refusal;
    this.#files = files;
    this.#signal = signal;
  }

  /** Throws what stops it: the mail's failure or not is decided by the caller. */
  async run(): Promise<Delivered> {
    await this.#deps.reached('claim.committed');
    for (;;) {
      this.#signal.throwIfAborted();
      const end = await this.#take(await this.#nextStep());
      if (end !== null) return end;
    }
  }

  async #nextStep(): Promise<DeliveryStep> {
    const { problem, graphMessageId, draftAttemptedAt, filesCompleteAt, sendAttemptedAt } = this.#row;
    const lostSince = problem?.code === DRAFT_DELETED ? new Date(problem.since) : null;
    const facts = {
      graphMessageId,
      draftAttemptedAt,
      hasFiles: this.#files.length > 0,
      filesCompleteAt,
      sendAttemptedAt,
      lostSince,
    };
    const { clock, times } = this.#deps;
    const isTimed = sendAttemptedAt !== null || lostSince !== null;
    return nextStep(facts, this.#found, isTimed ? await databaseNow(this.#em) : clock.now(), times);
  }

  /** Null: go on with the next step. */
  async #take(step: DeliveryStep): Promise<Delivered | null> {
    if (isWrite(step)) this.#refuseUnable();
    switch (step.kind) {
      case 'LOOK':
        this.#found = await this.#look();
        return null;
      case 'MAKE_DRAFT':
        return await this.#makeDraft();
      case 'KEEP_DRAFT':
        return await this.#keepDraft(step.copy);
      case 'ADD_FILES':
        return await this.#addFiles();
      case 'SEND':
        return await this.#send();
      case 'SENT':
        return await this.#recordSent(step.copy);
      case 'NOTE_LOST':
        return await this.#wait(DRAFT_DELETED, this.#deps.times.lostDraft);
      case 'WAIT':
        return await this.#wait(
          this.#row.sendAttemptedAt === null ? DRAFT_DELETED : SEND_UNCLEAR,
          step.milliseconds,
        );
    }
  }

  async #look(): Promise<Found> {
    const { sending } = this.#deps;
    const { id, graphMessageId } = this.#row;
    const byId =
      graphMessageId === null ? null : await sending.getCopy(this.#access, graphMessageId, this.#signal);
    const byMark = byId === null ? await sending.findByOutboundMessageId(this.#access, id, this.#signal) : [];
    return readFindings(graphMessageId, byId, byMark);
  }

  async #makeDraft(): Promise<null> {
    const { sending, reached, clock } = this.#deps;
    await this.#save({
      draftAttemptedAt: clock.now(),
      graphMessageId: null,
      filesCompleteAt: null,
      problem: null,
    });
    await reached('draft.intent-committed');
    const copy = await sending.createDraft(this.#access, this.#row.mail, this.#signal, async () =>
      reached('draft.reply-made'),
    );
    await reached('draft.created');
    await this.#storeDraft(copy);
    return null;
  }

  /** Found, not made: an attempt that ended in the middle of making it may have left it half made. */
  async #keepDraft({ graphMessageId }: OutgoingCopy): Promise<null> {
    const ownContentIds = this.#files.map(({ contentId }) => contentId);
    const options = { signal: this.#signal, ownContentIds };
    const { sending } = this.#deps;
    const copy = await sending.completeDraft(this.#access, graphMessageId, this.#row.mail, options);
    if (copy === null) this.#found = { kind: 'NOTHING' };
    else if (copy.isDraft) await this.#storeDraft(copy);
    else this.#found = { kind: 'SENT', copy };
    return null;
  }

  async #storeDraft(copy: OutgoingCopy): Promise<void> {
    const { graphMessageId, internetMessageId, conversationId } = copy;
    await writeTogether(this.#em, this.#row, async (em) => {
      await this.#save({ graphMessageId, internetMessageId, conversationId, filesCompleteAt: null }, em);
      // Before it is sent: the answer to it may be here within a second of it.
      await nameMessage(em, this.#row, copy, this.#deps.clock.now());
    });
    this.#found = { kind: 'DRAFT', copy };
    await this.#deps.reached('draft.stored');
  }

  async #addFiles(): Promise<null> {
    const { graphMessageId } = this.#row;
    if (graphMessageId === null) throw new Error('Files need a draft.');
    const { reached, clock, sending } = this.#deps;
    const isComplete = await putFiles(
      { ...this.#deps, em: this.#em, access: this.#access, signal: this.#signal },
      { organizationId: this.#row.organizationId, outboundMessageId: this.#row.id, graphMessageId },
      this.#files,
      { isRepeated: this.#row.attempts > 1 },
    );
    if (isComplete) {
      await this.#save({ filesCompleteAt: clock.now() });
      await reached('files.stored');
      return null;
    }
    // A file is on it twice: this draft is not what was written. Another one, and this one away.
    await this.#save({ graphMessageId: null, draftAttemptedAt: null, filesCompleteAt: null });
    this.#found = null;
    await sending.deleteDraft(this.#access, graphMessageId, this.#signal);
    return null;
  }

  async #send(): Promise<Delivered | null> {
    const { sending, reached, clock, limits } = this.#deps;
    const row = this.#row;
    const { graphMessageId } = row;
    if (graphMessageId === null) throw new Error('Sending needs a draft.');
    const mayHaveGoneOut = row.sendAttemptedAt !== null;
    const { emailAddress } = this.#sender.mailbox;
    // A notification that a reply waits behind has the reply's part of the limits: it would hold that up for a day.
    const isNotification = row.kind === 'NOTIFICATION' && !(await holdsUpAnother(this.#em, row));
    const wanted = { ...row, emailAddress, isNotification };
    const place = await this.#em.transactional((em) => takePlace(em, wanted, limits));
    if (place === null) throw new LostRowError();
    if (!place.granted) {
      await this.#wait(SENDING_LIMIT, place.milliseconds);
      return { kind: 'BLOCKED', milliseconds: place.milliseconds };
    }
    row.version += 1;
    row.sendAttemptedAt = clock.now();
    await reached('send.intent-committed');
    try {
      await sending.sendDraft(this.#access, graphMessageId, this.#signal);
    } catch (error) {
      if (!isClearRefusal(error)) throw error;
      const isGone = error.code === 'ITEM_NOT_FOUND';
      // A refusal says nothing about an earlier request: what that came to is still to be found out before each step. Only
      // the first refusal of all means that the mail has not gone out.
      if (!mayHaveGoneOut) await this.#save({ sendAttemptedAt: null });
      // Once: Exchange may say that it is gone and show it all the same, and then the next attempt comes later.
      if (!isGone || this.#wasGone) throw error;
      this.#wasGone = true;
      this.#found = null;
      return null;
    }
    await reached('send.done');
    return await this.#recordSent(null, true);
  }

  /** Not confirmed by Microsoft's answer, nor by a copy: all that is known is that the draft is gone. */
  async #recordSent(copy: OutgoingCopy | null, isConfirmed = copy !== null): Promise<Delivered> {
    const { clock, observer, reached } = this.#deps;
    const row = this.#row;
    const now = clock.now();
    const { identity } = this.#sender;
    await writeTogether(this.#em, row, async (em) => {
      await this.#save(
        {
          state: 'SENT',
          sentAt: copy?.sentAt ?? now,
          problem: isConfirmed ? null : notConfirmed(now),
          failedSince: null,
          // Sent by hand: it counts in the limits as well.
          sendAttemptedAt: row.sendAttemptedAt ?? now,
          ...(copy !== null && {
            graphMessageId: copy.graphMessageId,
            internetMessageId: copy.internetMessageId ?? row.internetMessageId,
            conversationId: copy.conversationId ?? row.conversationId,
          }),
        },
        em,
      );
      await nameMessage(em, row, row, now);
      if (identity.status === 'UNVERIFIED') await markIdentity(em, identity.id, 'ACTIVE', null, now);
      await recordEnd(em, row);
    });
    // After it, in no transaction of the row: whoever hurries a mailbox locks that first.
    if (this.#sender.mailbox.sendingProblem != null) await noteUnblocked(this.#em, row);
    observer.onSent({ kind: row.kind, queuedAt: row.queuedAt, sentAt: now });
    await reached('sent.stored');
    return { kind: 'ENDED' };
  }

  /** Not a failure: the attempt does not count. */
  async #wait(code: WaitingCode, milliseconds: number): Promise<Delivered> {
    const row = this.#row;
    const problem = sendingProblem(code, await databaseNow(this.#em), milliseconds);
    // Since when the draft is gone is what the next look goes by.
    if (row.problem?.code === code) problem.since = row.problem.since;
    // Whoever waits for a limit keeps its turn: the lane as a whole waits, and then the first goes first.
    const wait = { milliseconds: code === SENDING_LIMIT ? 0 : milliseconds, problem, isCounted: false };
    await release(this.#em, row, wait, this.#deps.clock.now());
    return { kind: 'POSTPONED' };
  }

  /** Throws why it cannot be sent as things are now. Asked before each step that changes something at Microsoft. */
  #refuseUnable(): void {
    const reason = this.#refusal();
    if (reason !== null) throw reason;
  }

  async #save(changes: OutboundChanges, em: EntityManager = this.#em): Promise<void> {
    await saveClaimed(em, this.#row, changes, this.#deps.clock.now());
  }

  get #access(): MailboxAccess {
    return accessOf(this.#sender.mailbox);
  }
}

function isWrite({ kind }: DeliveryStep): boolean {
  return kind === 'MAKE_DRAFT' || kind === 'KEEP_DRAFT' || kind === 'ADD_FILES' || kind === 'SEND';
}
