import { domainToASCII } from 'node:url';
import type { AutomaticKind } from '../ticketing/machine-mail.ts';
import type { Correspondent, MessageKind } from '../ticketing/message.entity.ts';
import { NoRecipientError, TooManyRecipientsError } from './reply-errors.ts';

/** Exchange takes no more in one mail. */
export const MAX_RECIPIENTS = 500;

/** Kinds of mail that only machines send; the others say that a person's mailbox or calendar answered for them. */
const MACHINES: ReadonlySet<AutomaticKind> = new Set([
  'AUTO_REPLY',
  'BOUNCE',
  'LIST_MAIL',
  'AUTO_GENERATED',
  'STORM',
]);

/** A mail of the ticket, as far as the choice of recipients looks at it. Addresses are in lower case. */
export interface ThreadMessage {
  kind: MessageKind;
  from: Correspondent | null;
  /** Where its sender wants answers; empty: to `from`. */
  replyTo: readonly Correspondent[];
  to: readonly Correspondent[];
  cc: readonly Correspondent[];
  automatic: AutomaticKind | null;
}

/** What the choice knows. */
export interface RecipientFacts {
  requester: Correspondent;
  /** The message that is answered; null when the ticket has no mail yet. */
  answered: ThreadMessage | null;
  /** Whether the caller named that message: then its sender is answered, whoever that is. */
  isNamed: boolean;
  /** Whether the requester may see that message: one of a supplier, say, they may not. */
  isOpen: boolean;
  /** The mails of the ticket, the newest first. */
  thread: readonly ThreadMessage[];
  /** Addresses of the organization's mailboxes and identities, in lower case. */
  ownAddresses: ReadonlySet<string>;
}

/** What the caller asks for; null: what the thread says. */
export interface WantedRecipients {
  to: readonly Correspondent[] | null;
  cc: readonly Correspondent[] | null;
  bcc: readonly Correspondent[] | null;
}

/** Why somebody gets the mail whom the caller did not name. */
export type AddedReason = 'REQUESTER' | 'SENDER' | 'REPLY_TO' | 'REPLY_ALL';
/** Why somebody does not get it. */
export type DroppedReason = 'OWN_ADDRESS' | 'MACHINE' | 'INVALID_ADDRESS';

/** Who gets a mail, each address once. */
export interface ChosenRecipients {
  to: Correspondent[];
  cc: Correspondent[];
  bcc: Correspondent[];
  added: { correspondent: Correspondent; reason: AddedReason }[];
  /** Without our own addresses where only the thread named them: every mail to us does. */
  dropped: { correspondent: Correspondent; reason: DroppedReason }[];
}

/** Whether mail to the address could be delivered at all; `.invalid` never can (RFC 2606). */
export function isMailAddress(address: string): boolean {
  return (
    address.length <= 320 &&
    /^[^\s@"\\<>()[\],;:\p{C}]{1,64}@[\p{L}\p{M}\p{N}-]+(?:\.[\p{L}\p{M}\p{N}-]+)+$/u.test(address) &&
    !address.endsWith('.invalid')
  );
}

/** The address with its domain as DNS knows it: `bücher.example` and `xn--bcher-kva.example` are one (RFC 5891). */
function inAscii(address: string): string {
  const at = address.lastIndexOf('@');
  return `${address.slice(0, at)}@${domainToASCII(address.slice(at + 1)) || address.slice(at + 1)}`;
}

/**
 * Whether mail to an address would come back to us. Exchange delivers `support+anything@` to `support@` unless it is told
 * not to (Set-OrganizationConfig -DisablePlusAddressInRecipients).
 */
export function ownershipOf(ownAddresses: ReadonlySet<string>): (address: string) => boolean {
  const own = new Set([...ownAddresses].map(inAscii));
  return (address) => {
    const ascii = inAscii(address);
    return own.has(ascii) || own.has(ascii.replace(/^([^@+]+)\+[^@]*@/, '$1@'));
  };
}

/**
 * Decides who gets a reply. Who is not named by the caller:
 *
 * - To: the requester, or, where a message was named, its sender; by the `Reply-To` of their last mail if that had one.
 * - Cc, only while To comes from the thread as well: everybody else of the message that is answered (and the requester, if
 *   they may see it).
 *   Whoever its sender left out stays left out, and a To of the caller's own never takes others along.
 *
 * Never our own addresses, which would make mail go in circles; never machines, unless the caller names one.
 *
 * Throws {@link NoRecipientError} when nobody is left and {@link TooManyRecipientsError}.
 */
export function chooseRecipients(wanted: WantedRecipients, facts: RecipientFacts): ChosenRecipients {
  const chosen = new Choice(facts);
  if (wanted.to !== null) for (const one of wanted.to) chosen.add('to', one, null);
  else for (const { correspondent, reason } of defaultTo(facts)) chosen.add('to', correspondent, reason);
  if (wanted.cc !== null) for (const one of wanted.cc) chosen.add('cc', one, null);
  else if (wanted.to === null) for (const one of defaultCc(facts)) chosen.add('cc', one, 'REPLY_ALL');
  for (const one of wanted.bcc ?? []) chosen.add('bcc', one, null);
  const { to, cc, bcc, added, dropped } = chosen;
  if (to.length === 0)
    throw new NoRecipientError(dropped.map(({ correspondent }) => correspondent.emailAddress));
  const count = to.length + cc.length + bcc.length;
  if (count > MAX_RECIPIENTS) throw new TooManyRecipientsError(count, MAX_RECIPIENTS);
  return { to, cc, bcc, added, dropped };
}

class Choice implements ChosenRecipients {
  readonly to: Correspondent[] = [];
  readonly cc: Correspondent[] = [];
  readonly bcc: Correspondent[] = [];
  readonly added: ChosenRecipients['added'] = [];
  readonly dropped: ChosenRecipients['dropped'] = [];
  readonly #isOwn: (address: string) => boolean;
  readonly #machines: ReadonlySet<string>;
  readonly #known = new Set<string>();

  constructor({ ownAddresses, thread }: RecipientFacts) {
    this.#isOwn = ownershipOf(ownAddresses);
    this.#machines = machinesOf(thread);
  }

  /** `reason` null: the caller named it. */
  add(list: 'to' | 'cc' | 'bcc', correspondent: Correspondent, reason: AddedReason | null): void {
    const { emailAddress } = correspondent;
    const ascii = inAscii(emailAddress);
    if (this.#known.has(ascii)) return;
    this.#known.add(ascii);
    const why = this.#whyNot(emailAddress, reason === null);
    if (why === null) {
      this[list].push(correspondent);
      if (reason !== null) this.added.push({ correspondent, reason });
    } else if (why !== 'OWN_ADDRESS' || reason === null) {
      this.dropped.push({ correspondent, reason: why });
    }
  }

  #whyNot(emailAddress: string, isNamed: boolean): DroppedReason | null {
    if (this.#isOwn(emailAddress)) return 'OWN_ADDRESS';
    if (!isMailAddress(emailAddress)) return 'INVALID_ADDRESS';
    return !isNamed && this.#machines.has(emailAddress) ? 'MACHINE' : null;
  }
}

/** Addresses from which only machines have written. */
function machinesOf(thread: readonly ThreadMessage[]): Set<string> {
  const machines = new Set<string>();
  const people = new Set<string>();
  for (const { kind, from, automatic } of thread) {
    if (kind !== 'INBOUND' || from === null) continue;
    (automatic !== null && MACHINES.has(automatic) ? machines : people).add(from.emailAddress);
  }
  return machines.difference(people);
}

/** Whom the reply is for, and the mail of theirs that says where they want it. */
function target({ requester, answered, isNamed, thread }: RecipientFacts) {
  if (isNamed && answered?.kind === 'INBOUND' && answered.from !== null) {
    return { person: answered.from, reason: 'SENDER' as const, mail: answered };
  }
  const mail = thread.find(
    ({ kind, from, automatic }) =>
      kind === 'INBOUND' && automatic === null && from?.emailAddress === requester.emailAddress,
  );
  return { person: requester, reason: 'REQUESTER' as const, mail: mail ?? null };
}

function defaultTo(facts: RecipientFacts): { correspondent: Correspondent; reason: AddedReason }[] {
  const { answered, isNamed, ownAddresses } = facts;
  if (isNamed && answered?.kind === 'OUTBOUND') {
    return answered.to.map((correspondent) => ({ correspondent, reason: 'REPLY_ALL' }));
  }
  const { person, reason, mail } = target(facts);
  const isOwn = ownershipOf(ownAddresses);
  const elsewhere = (mail?.replyTo ?? []).filter(
    ({ emailAddress }) => isMailAddress(emailAddress) && !isOwn(emailAddress),
  );
  if (elsewhere.length === 0) return [{ correspondent: person, reason }];
  return elsewhere.map((correspondent) => ({
    correspondent,
    reason: correspondent.emailAddress === person.emailAddress ? reason : 'REPLY_TO',
  }));
}

function defaultCc(facts: RecipientFacts): Correspondent[] {
  const { requester, answered, isNamed, isOpen } = facts;
  const { person, mail } = target(facts);
  const others: Correspondent[] = [];
  if (answered?.kind === 'INBOUND') {
    if (answered.replyTo.length > 0) others.push(...answered.replyTo);
    else if (answered.from !== null) others.push(answered.from);
  }
  others.push(...(answered?.to ?? []), ...(answered?.cc ?? []));
  if (isNamed && isOpen && answered?.kind === 'INBOUND') others.push(requester);
  // Who wants answers elsewhere does not get them at the address that they wrote from.
  const isElsewhere = (mail?.replyTo.length ?? 0) > 0;
  return others.filter(({ emailAddress }) => !isElsewhere || emailAddress !== person.emailAddress);
}
