/*
 * What is next for a mail of the outbox. Pure: from what the row says and what was found at Microsoft to one step. Every
 * step but looking is preceded by its intent, committed, so that after a crash the row says what may have happened.
 */
import type { OutgoingCopy } from '../microsoft365/mail-sending.ts';
import { MINUTE } from '../platform/clock.ts';

/**
 * How long after `send` was asked for without an answer a draft that still lies in Drafts is left alone. We wait for two
 * minutes at most for an answer, and Microsoft's gateway gives up sooner (504): what has not left Drafts by then is not on
 * its way any more. Sending *the same* draft again cannot send it twice in any case: the first one that succeeds takes it
 * out of Drafts, and the other then finds no draft. The wait is for the narrow race of two such requests inside Exchange.
 */
export const UNCLEAR_SEND_SETTLES = 3 * MINUTE;

/**
 * How long a draft must have been gone, before it was ever sent from here, until it counts as deleted: somebody may have
 * sent it by hand, and between Drafts and Sent Items a mail is in neither.
 */
export const LOST_DRAFT_SETTLES = 1 * MINUTE;

/** What the row says. */
export interface DeliveryFacts {
  graphMessageId: string | null;
  draftAttemptedAt: Date | null;
  hasFiles: boolean;
  filesCompleteAt: Date | null;
  /** When Microsoft was last told to send it, unless it refused clearly. */
  sendAttemptedAt: Date | null;
  /** Since when the draft is known to be gone; null when it is not. */
  lostSince: Date | null;
}

/** What looking at Microsoft brought; null when nobody has looked in this run, and nothing was made in it. */
export type Found =
  /** The draft is there. */
  | { kind: 'DRAFT'; copy: OutgoingCopy }
  /** It was sent. */
  | { kind: 'SENT'; copy: OutgoingCopy }
  /** Neither of them. */
  | { kind: 'NOTHING' };

export type DeliveryStep =
  /** Ask Microsoft what is there. */
  | { kind: 'LOOK' }
  | { kind: 'MAKE_DRAFT' }
  /** An earlier attempt made it, and did not come to noting it. */
  | { kind: 'KEEP_DRAFT'; copy: OutgoingCopy }
  | { kind: 'ADD_FILES' }
  /** Take a place in the limits, commit the intent, send. */
  | { kind: 'SEND' }
  /** It has gone out, for certain where there is a copy. Null: the draft is gone, and no copy is to be seen (yet). */
  | { kind: 'SENT'; copy: OutgoingCopy | null }
  /** The draft is gone: note since when. */
  | { kind: 'NOTE_LOST' }
  | { kind: 'WAIT'; milliseconds: number };

/** How long to leave alone what may still change by itself; tests wait for less. In milliseconds. */
export interface SettlingTimes {
  unclearSend: number;
  lostDraft: number;
}

export const SETTLING_TIMES: SettlingTimes = {
  unclearSend: UNCLEAR_SEND_SETTLES,
  lostDraft: LOST_DRAFT_SETTLES,
};

/** The next step. `now` is by the clock that wrote the facts. */
export function nextStep(
  facts: DeliveryFacts,
  found: Found | null,
  now: Date,
  times: SettlingTimes = SETTLING_TIMES,
): DeliveryStep {
  if (facts.sendAttemptedAt !== null) return afterSending(facts.sendAttemptedAt, found, now, times);
  if (facts.graphMessageId === null) return withoutDraft(facts, found);
  if (found === null) return { kind: 'LOOK' };
  switch (found.kind) {
    case 'SENT':
      // By hand, out of the Drafts folder.
      return { kind: 'SENT', copy: found.copy };
    case 'DRAFT':
      return facts.hasFiles && facts.filesCompleteAt === null ? { kind: 'ADD_FILES' } : { kind: 'SEND' };
    case 'NOTHING': {
      if (facts.lostSince === null) return { kind: 'NOTE_LOST' };
      const wait = facts.lostSince.getTime() + times.lostDraft - now.getTime();
      return wait > 0 ? { kind: 'WAIT', milliseconds: wait } : { kind: 'MAKE_DRAFT' };
    }
  }
}

/** Whether it went out is not known: the answer was lost, or this process has died before it came. */
function afterSending(
  sendAttemptedAt: Date,
  found: Found | null,
  now: Date,
  times: SettlingTimes,
): DeliveryStep {
  if (found === null) return { kind: 'LOOK' };
  if (found.kind === 'SENT') return { kind: 'SENT', copy: found.copy };
  // It has left Drafts, and the copy in Sent Items takes its time (or the mailbox keeps none, or somebody deleted the draft).
  if (found.kind === 'NOTHING') return { kind: 'SENT', copy: null };
  const wait = sendAttemptedAt.getTime() + times.unclearSend - now.getTime();
  return wait > 0 ? { kind: 'WAIT', milliseconds: wait } : { kind: 'SEND' };
}

function withoutDraft({ draftAttemptedAt }: DeliveryFacts, found: Found | null): DeliveryStep {
  if (draftAttemptedAt === null) return { kind: 'MAKE_DRAFT' };
  if (found === null) return { kind: 'LOOK' };
  switch (found.kind) {
    case 'SENT':
      return { kind: 'SENT', copy: found.copy };
    case 'DRAFT':
      return { kind: 'KEEP_DRAFT', copy: found.copy };
    case 'NOTHING':
      // The first request may still be at work and leave a draft behind: it is never sent, and removed later.
      return { kind: 'MAKE_DRAFT' };
  }
}

/**
 * What is there of the mail: `byId` is what has the draft's id, `byMark` everything that carries our mark. A sent one
 * counts whatever its id, and so does one in the Outbox: Exchange has taken it and sends it when it will (told again, it
 * refuses, which would look as if the mail had not gone out). Of drafts, where the id is known, that one only, wherever it
 * lies: any other is left over from an attempt whose answer was lost, and has no files. Where no id is known, one that lies
 * elsewhere than in Drafts was deleted.
 */
export function readFindings(
  graphMessageId: string | null,
  byId: OutgoingCopy | null,
  byMark: readonly OutgoingCopy[],
): Found {
  const all = byId === null ? byMark : [byId, ...byMark];
  const sent = all.find(({ isDraft, folder }) => !isDraft || folder === 'OUTBOX');
  if (sent !== undefined) return { kind: 'SENT', copy: sent };
  const draft = all.find((copy) =>
    graphMessageId === null ? copy.folder === 'DRAFTS' : copy.graphMessageId === graphMessageId,
  );
  return draft === undefined ? { kind: 'NOTHING' } : { kind: 'DRAFT', copy: draft };
}
