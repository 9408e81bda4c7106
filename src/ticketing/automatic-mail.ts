import type { Bounce } from './bounce.ts';
import type { InboundReason } from './inbound-message.entity.ts';
import type { AutomaticKind, MachineFinding } from './machine-mail.ts';
import type { CandidateTicket } from './threading.ts';

/** Why a machine's mail does not become a message. */
export interface UnwantedMail {
  reason: InboundReason;
  explanation: string;
}

/** What each kind is called in explanations. */
const NAMES: Record<AutomaticKind, string> = {
  AUTO_REPLY: 'an automatic reply',
  OUT_OF_OFFICE: 'an out-of-office reply',
  READ_RECEIPT: 'a receipt',
  BOUNCE: 'a bounce',
  CALENDAR_RESPONSE: 'an answer to an invitation',
  OWN_MAIL: 'your own mail',
  LIST_MAIL: 'mail of a list',
  AUTO_GENERATED: 'automatic mail',
  STORM: 'one of too many messages',
};

/**
 * A finding with what its thread says. What only a subject makes a robot's answer must answer something that is known here:
 * else it is automatic mail as any other, which somebody may want. And what comes from one of our mailboxes in answer to a
 * notification counts as automatic, whoever wrote it: if it led to the next notification, that would be a circle.
 */
export function findingInThread(
  finding: MachineFinding,
  ticket: CandidateTicket | null,
  answersNotification: boolean,
): MachineFinding {
  const { kind, evidence, sentBy } = finding;
  if (finding.isGuess && ticket === null) return { kind: 'AUTO_GENERATED', evidence, sentBy };
  if (kind !== 'OWN_MAIL' || sentBy !== null || !answersNotification) return finding;
  return { kind: 'AUTO_GENERATED', evidence: `${evidence}, which answers a notification`, sentBy };
}

/**
 * Whether a machine's mail is left alone, and why; null when it becomes a message.
 *
 * Machine mail that somebody wants stays: alerts, newsletters and lists become tickets as any other mail, since mail rules
 * can ignore them and nothing brings lost ones back. What a robot answers to a ticket is kept in the ticket. Left alone
 * are receipts, robots' answers to what is not known here, and what Deskgraph itself sent.
 */
export function unwantedMachineMail(
  finding: MachineFinding,
  ticket: CandidateTicket | null,
  organizationId: string,
): UnwantedMail | null {
  const { kind } = finding;
  const ignored = (reason: InboundReason, about: string): UnwantedMail => ({
    reason,
    explanation: `Ignored: ${about}, recognised by ${finding.evidence}.`,
  });
  switch (kind) {
    case 'READ_RECEIPT':
      return ignored(kind, ticket === null ? NAMES[kind] : `${NAMES[kind]} for ticket #${ticket.number}`);
    case 'AUTO_REPLY':
    case 'OUT_OF_OFFICE':
    case 'CALENDAR_RESPONSE':
    case 'BOUNCE':
      return ticket === null ? ignored(kind, `${NAMES[kind]} to a message that is not known here`) : null;
    case 'OWN_MAIL':
      // What a person wrote with one of our mailboxes is mail: a colleague may pass a request on to another team.
      return finding.sentBy === organizationId ? ignored(kind, 'your own mail coming back') : null;
    default:
      return null;
  }
}

/** What is stored with a message of a machine; null for a person's. Nothing may answer a message that has it. */
export function automaticKind({ kind }: MachineFinding): AutomaticKind | null {
  return kind === 'NONE' ? null : kind;
}

/**
 * Whether a message leaves its ticket as it is: a closed ticket stays closed. An alert or a list's mail opens it again,
 * for nobody would see it otherwise; and with one of our mailboxes people write (what Deskgraph sent never gets here).
 */
export function isQuiet(kind: AutomaticKind | null): boolean {
  return kind !== null && !isByPerson(kind) && kind !== 'LIST_MAIL' && kind !== 'AUTO_GENERATED';
}

/** Whether people write such mail. They are told of, and too much of it is a storm; but nothing answers it by itself. */
export function isByPerson(kind: AutomaticKind | null): boolean {
  return kind === null || kind === 'OWN_MAIL';
}

/** The explanation of a decision, with what is automatic about the mail and what a report says. */
export function explainAutomatic(
  explanation: string,
  finding: MachineFinding,
  bounce: Bounce | null,
): string {
  const { kind, evidence } = finding;
  if (kind === 'NONE') return explanation;
  const consequence = isQuiet(kind)
    ? 'it does not reopen the ticket, and nothing answers it'
    : 'nothing answers it';
  const sentence = `${explanation} It is ${NAMES[kind]}, recognised by ${evidence}: ${consequence}.`;
  if (bounce === null) return sentence;
  const recipient = bounce.recipient ?? 'somebody whom it does not name';
  return `${sentence} Delivery to ${recipient} ${bounce.action === 'FAILED' ? 'failed' : 'is delayed'}: ${bounce.reason}`;
}
