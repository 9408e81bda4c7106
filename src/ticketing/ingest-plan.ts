import { v7 as uuidv7 } from 'uuid';
import { toError } from '../errors.ts';
import {
  automaticKind,
  explainAutomatic,
  findingInThread,
  isQuiet,
  unwantedMachineMail,
} from './automatic-mail.ts';
import { type CopyPolicy, explainCopy, explainNamesake, explainTwin } from './copies.ts';
import type { InboundOutcome, InboundReason } from './inbound-message.entity.ts';
import { type AutomaticKind, type MachineFinding, sentFromHere, withOwnSenders } from './machine-mail.ts';
import { type MailRouting, routeMail } from './mail-routing.ts';
import type { Routing } from './mail-rule-apply.ts';
import { factsOf } from './mail-rule-match.ts';
import type { PreparedMail } from './prepare-mail.ts';
import { fateOfReply } from './reopening.ts';
import { isForgedSender } from './sender-proof.ts';
import type { ThreadMemory } from './thread-memory.ts';
import { type CandidateTicket, chooseThread } from './threading.ts';
import { explainWanted, type WantedMail } from './wanted-mail.ts';

/** What of a mailbox's settings decides. */
export interface IngestSettings {
  organizationId: string;
  mailboxId: string;
  createTickets: boolean;
  /** `ONE_TICKET` when left out. */
  copyPolicy?: CopyPolicy;
  /** 14 when left out. */
  reopenWithinDays?: number;
  /** History: it joins its ticket however long that is closed, and opens none again. False when left out. */
  isHistory?: boolean;
  /** Where new tickets go, and which mail becomes none; nowhere in particular when left out. */
  routing?: MailRouting;
  /** Turns floods into one ticket; no limit when left out. */
  storm?: { calm(decision: Decision, now: Date): Decision } | null;
}

/** A mail whose ledger row is ours to fill. */
export interface ClaimedMail {
  inboundMessageId: string;
  mail: PreparedMail;
  /** The ticket that lost this mail's message: it goes back there, and nothing else about the ticket changes. */
  restoreTo?: CandidateTicket;
  /** Given when a person wants it in a ticket, though it was ignored: only copies and what was deleted stay out. */
  wanted?: WantedMail;
}

/** What becomes of one mail. */
export interface PlannedMail extends ClaimedMail {
  outcome: InboundOutcome;
  reason: InboundReason;
  explanation: string;
  /** The ticket it became part of, or whose message it is a copy of. */
  ticketId: string | null;
  /** The message that it becomes; null when it is ignored. Ids sort by time: the order of the messages of one page. */
  messageId: string | null;
  /** The kind of machine that wrote it; null for people. */
  automatic: AutomaticKind | null;
  /** The user who answered a notification: it becomes a note of theirs. Left out for everybody else. */
  authorId?: string | null;
}

/** A ticket to be made. */
export interface PlannedTicket extends CandidateTicket {
  /** The mail that opens it. */
  mail: PreparedMail;
  lastMessageAt: Date;
  /** The ticket that it goes on from, which was closed long ago. */
  followUpOfId?: string | null;
  /** The ticket of the same mail in another mailbox. */
  copyOfId?: string | null;
  /** What stands in it beside the mail. */
  note?: string | null;
  /** Where it goes; nowhere in particular when left out. */
  routing?: Routing | null;
}

/** What a page of mail will do. */
export interface IngestPlan {
  mails: PlannedMail[];
  newTickets: PlannedTicket[];
  /** Existing tickets that get messages, with the time of the newest. */
  appended: Map<string, Date>;
  /** Those of them that open again when they are closed: machines' answers leave a ticket as it is. */
  reopening: Set<string>;
  /** Mails that this could not decide about. */
  poison: { claimed: ClaimedMail; error: Error }[];
}

/**
 * Decides what becomes of each mail, in the order in which Exchange received them, so that a reply finds an original
 * that came in the same page. Reads and writes nothing but `memory`, which learns of each decision.
 */
export function planIngest(
  claimed: readonly ClaimedMail[],
  memory: ThreadMemory,
  settings: IngestSettings,
  firstNumber: number,
  now: Date,
): IngestPlan {
  const plan: IngestPlan = {
    mails: [],
    newTickets: [],
    appended: new Map(),
    reopening: new Set(),
    poison: [],
  };
  const newTickets = new Map<string, PlannedTicket>();
  for (const one of claimed.toSorted(byReceivedAt)) {
    try {
      const decided = planOne(one, memory, settings, firstNumber + newTickets.size, now);
      const planned = (one.wanted ? null : settings.storm?.calm(decided, now)) ?? decided;
      plan.mails.push(planned.mail);
      if (planned.ticket === null) continue; // ignored
      const receivedAt = one.mail.summary.receivedAt ?? now;
      const { ticket } = planned;
      if (planned.mail.outcome === 'TICKET_CREATED') {
        const { followUpOfId = null, copyOfId = null, note = null, routing = null } = planned;
        const opened = {
          ...ticket,
          mail: one.mail,
          lastMessageAt: receivedAt,
          followUpOfId,
          copyOfId,
          note,
          routing,
        };
        newTickets.set(ticket.id, opened);
        if (followUpOfId !== null) memory.addFollowUp(followUpOfId, ticket);
      } else if (!one.restoreTo) {
        const inPage = newTickets.get(ticket.id);
        if (inPage !== undefined) inPage.lastMessageAt = later(inPage.lastMessageAt, receivedAt);
        else plan.appended.set(ticket.id, later(plan.appended.get(ticket.id), receivedAt));
        const isQuietly = (isQuiet(planned.mail.automatic) && !one.wanted) || planned.mail.authorId != null;
        if (!isQuietly && !settings.isHistory) plan.reopening.add(ticket.id);
      }
      memory.remember(one.mail, ticket);
    } catch (thrown) {
      plan.poison.push({ claimed: one, error: toError(thrown) });
    }
  }
  plan.newTickets = [...newTickets.values()];
  return plan;
}

/** What becomes of one mail, and where. */
export interface Decision {
  mail: PlannedMail;
  /** The ticket that gets the mail as a message; null when it is ignored. */
  ticket: CandidateTicket | null;
  followUpOfId?: string | null;
  copyOfId?: string | null;
  note?: string | null;
  routing?: Routing | null;
}

function planOne(
  claimed: ClaimedMail,
  memory: ThreadMemory,
  {
    organizationId,
    mailboxId,
    createTickets,
    copyPolicy = 'ONE_TICKET',
    reopenWithinDays = 14,
    isHistory = false,
    routing = { rules: [], destination: null },
  }: IngestSettings,
  nextNumber: number,
  now: Date,
): Decision {
  const { mail, wanted } = claimed;
  const opensTickets = createTickets || wanted !== undefined;
  const own = { organizationId, addresses: memory.candidates.ownAddresses };
  const choice = chooseThread(mail.thread, memory.candidates);
  const found = choice.ticketId === null ? null : memory.ticket(choice.ticketId);
  const machine = memory.isSentFromHere(mail)
    ? sentFromHere(organizationId)
    : findingInThread(
        withOwnSenders(mail.machine, mail.thread.senderAddress, own),
        found,
        memory.answersNotification(mail),
      );
  const automatic = automaticKind(machine);
  const ignored = (reason: InboundReason, explanation: string, ticketId: string | null = null): Decision => ({
    mail: { ...claimed, outcome: 'IGNORED', reason, explanation, ticketId, messageId: null, automatic },
    ticket: null,
  });
  if (mail.isDraft) return ignored('DRAFT', 'Ignored: a draft, which nobody has sent.');

  const { restoreTo } = claimed;
  if (restoreTo) {
    const restored = {
      ...claimed,
      outcome: 'REPLY_ADDED' as const,
      reason: 'RESTORED' as const,
      explanation: `Restored: its message was missing in ticket #${restoreTo.number}.`,
      ticketId: restoreTo.id,
      messageId: uuidv7(),
      automatic,
    };
    return { mail: restored, ticket: restoreTo };
  }
  const original = memory.originalOf(mail, mailboxId, copyPolicy);
  if (original !== null) {
    return ignored('DUPLICATE', explainCopy(original, mailboxId), original.ticket.id);
  }
  const tombstone = memory.tombstoneOf(mail, mailboxId, copyPolicy);
  if (tombstone !== null) return ignored('TICKET_DELETED', tombstone.explanation);
  const unwanted = wanted ? null : unwantedMachineMail(machine, found, organizationId);
  if (unwanted !== null) return ignored(unwanted.reason, unwanted.explanation, found?.id ?? null);
  const note = found && noteOfColleague(claimed, found, memory, machine);
  if (note !== null) return note;
  // What a machine answers belongs to the old ticket, and opens nothing.
  const at = mail.summary.receivedAt ?? now;
  const newest = found === null ? null : memory.lastFollowUpOf(found.id);
  const fate =
    found === null || (isQuiet(automatic) && !wanted) || isHistory
      ? null
      : fateOfReply(found, newest, { at, createTickets: opensTickets, reopenWithinDays });
  const follows = fate !== null && 'followsUp' in fate ? fate.followsUp : null;
  const chosen = fate === null ? found : 'joins' in fate ? fate.joins : null;
  // Where copies get tickets of their own, a reply may still belong to one that has it from another mailbox.
  const same = chosen === null ? null : memory.sameIn(mail, chosen);
  if (same !== null) return ignored('DUPLICATE', explainCopy(same, mailboxId), same.ticket.id);
  const namesake = memory.namesakeOf(mail);
  const twin = chosen === null && copyPolicy === 'LINKED' ? memory.twinOf(mail) : null;
  const explained = [
    wanted ? choice.explanation : explainAutomatic(choice.explanation, machine, mail.bounce),
    wanted && explainWanted(wanted, automatic),
    fate?.because,
    namesake && explainNamesake(namesake),
    twin && explainTwin(twin.ticket),
  ];
  const explanation = explained.filter(Boolean).join(' ');
  const reason = follows === null ? choice.reason : 'FOLLOW_UP';
  if (chosen !== null) {
    return {
      mail: {
        ...claimed,
        outcome: 'REPLY_ADDED',
        reason,
        explanation,
        ticketId: chosen.id,
        messageId: uuidv7(),
        automatic,
      },
      ticket: chosen,
    };
  }
  if (!opensTickets) {
    return ignored('TICKETS_OFF', 'Ignored: no reply, and this mailbox does not open tickets.');
  }
  const keptBecause = wanted ? 'A_PERSON_ASKED' : follows === null ? null : 'A_REPLY';
  const routed = routeMail(factsOf(mail), routing, { keptBecause });
  if (routed.ignoredBy !== null) return ignored('MAIL_RULE', routed.explanation);
  const ticket = { id: uuidv7(), number: nextNumber };
  return {
    mail: {
      ...claimed,
      outcome: 'TICKET_CREATED',
      reason,
      explanation: [explanation, routed.explanation].filter(Boolean).join(' '),
      ticketId: ticket.id,
      messageId: uuidv7(),
      automatic,
    },
    ticket,
    followUpOfId: follows?.id ?? null,
    copyOfId: twin?.ticket.id ?? null,
    // Numbers in history may be of another system.
    note: isHistory ? null : choice.note,
    routing: routed.routing,
  };
}

/**
 * What a colleague writes in answer to a notification is a note, which customers never see; null for all other mail. The
 * notification's Message-ID proves that they have it, and it counts only from the address that it was sent to. They may have
 * passed it on: what Exchange says is not from that address is mail as any other.
 */
function noteOfColleague(
  claimed: ClaimedMail,
  ticket: CandidateTicket,
  memory: ThreadMemory,
  { kind, evidence }: MachineFinding,
): Decision | null {
  const authorId = memory.notifiedSender(claimed.mail);
  if (authorId === null || isForgedSender(claimed.mail.headers)) return null;
  const sender = claimed.mail.thread.senderAddress;
  if ((kind === 'OUT_OF_OFFICE' || kind === 'AUTO_REPLY') && !claimed.wanted) {
    const explanation = `Ignored: a robot of ${sender} answered a notification about ticket #${ticket.number}, recognised by ${evidence}.`;
    const fate = {
      outcome: 'IGNORED',
      reason: kind,
      explanation,
      ticketId: ticket.id,
      messageId: null,
    } as const;
    return { mail: { ...claimed, ...fate, automatic: kind }, ticket: null };
  }
  const explanation = `A note: ${sender} answered the notification about ticket #${ticket.number} that was sent there.`;
  return {
    mail: {
      ...claimed,
      outcome: 'REPLY_ADDED',
      reason: 'REFERENCES',
      explanation,
      ticketId: ticket.id,
      messageId: uuidv7(),
      automatic: null,
      authorId,
    },
    ticket,
  };
}

/** Mails without a time come last; equal times keep the order of the page. */
function byReceivedAt(a: ClaimedMail, b: ClaimedMail): number {
  const time = ({ mail }: ClaimedMail) => mail.summary.receivedAt?.getTime() ?? Number.MAX_SAFE_INTEGER;
  return time(a) - time(b);
}

function later(a: Date | undefined, b: Date): Date {
  return a === undefined || a < b ? b : a;
}
