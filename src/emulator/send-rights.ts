import type { Caller } from './caller.ts';
import type { DirectoryUser } from './directory-user.ts';
import { GraphFault } from './graph-fault.ts';
import type { MailAddress } from './mailbox.ts';
import { type SendingRules, USUAL_SENDING_RULES } from './sending-rules.ts';
import { addressesOf, type EmulatorState, findUserByAddress } from './state.ts';

/** Whom recipients see. */
export interface Senders {
  from: MailAddress;
  /** Differs from `from` for Send on Behalf. */
  sender: MailAddress;
  /** The user whose address `from` is; undefined for a group. */
  fromUser: DirectoryUser | undefined;
  /** How the right came about. */
  right: 'OWN' | 'SEND_AS' | 'ON_BEHALF';
}

/**
 * Who a mail is from: Send As leaves no trace, Send on Behalf names both (concepts/outlook-send-mail-from-other-user.md).
 * An application sends with the rights of the mailbox it addresses, a person with their own.
 * Throws 403 `ErrorSendAsDenied`.
 */
export function sendersOf(
  state: EmulatorState,
  caller: Caller,
  owner: DirectoryUser,
  wanted: MailAddress,
  rules: SendingRules = USUAL_SENDING_RULES,
): Senders {
  const address = wanted.address.toLowerCase();
  const actorId = caller.userId ?? owner.id;
  const fromUser = findUserByAddress(state, address);
  const group = state.exchange.groups.get(address);
  const sendAs = fromUser?.sendAs ?? group?.sendAs ?? [];
  const onBehalf = fromUser?.sendOnBehalf ?? group?.sendOnBehalf ?? [];
  const from = shownAs(fromUser, group?.displayName, wanted, rules);
  if (fromUser?.id === actorId) return { from, sender: from, fromUser, right: 'OWN' };
  if (sendAs.includes(actorId)) return { from, sender: from, fromUser, right: 'SEND_AS' };
  if (onBehalf.includes(actorId)) {
    const actor = userById(state, caller.tenantId, actorId) ?? owner;
    return { from, sender: primaryAddress(actor), fromUser, right: 'ON_BEHALF' };
  }
  throw new GraphFault(
    403,
    'ErrorSendAsDenied',
    'The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account. Cannot submit message.',
  );
}

/** A user's primary address and name. */
export function primaryAddress(user: DirectoryUser): MailAddress {
  return { name: user.displayName, address: user.mail ?? user.userPrincipalName };
}

function shownAs(
  user: DirectoryUser | undefined,
  groupName: string | undefined,
  wanted: MailAddress,
  rules: SendingRules,
): MailAddress {
  const directoryName = user?.displayName ?? groupName;
  const isAlias = user !== undefined && addressesOf(user).includes(wanted.address.toLowerCase());
  return {
    name: rules.directoryNameWins ? (directoryName ?? wanted.name) : wanted.name,
    address: isAlias && !rules.sendFromAlias ? primaryAddress(user).address : wanted.address,
  };
}

function userById(state: EmulatorState, tenantId: string, id: string): DirectoryUser | undefined {
  return state.tenants.get(tenantId)?.users.get(id);
}
