import type { MailAddress } from '../microsoft365/mail.ts';
import { bounded, cleanLine } from './clean-text.ts';
import type { Correspondent } from './message.entity.ts';

/** RFC 5321 allows 64 + 1 + 255 characters. */
const MAX_ADDRESS_LENGTH = 320;
const MAX_NAME_LENGTH = 200;
/** Exchange allows 500 recipients in a mail. */
const MAX_RECIPIENTS = 500;

/**
 * Stands in for the sender of a mail that names none, as some systems write them. `.invalid` can never be an address
 * (RFC 2606).
 */
export const UNKNOWN_SENDER: Correspondent = {
  name: 'Unknown sender',
  emailAddress: 'unknown@sender.invalid',
};

/** An address as it is stored: in lower case and bounded. Null when there is no address in it. */
export function toCorrespondent(address: MailAddress | null): Correspondent | null {
  if (address === null) return null;
  const emailAddress = bounded(cleanLine(address.emailAddress).toLowerCase(), MAX_ADDRESS_LENGTH);
  if (emailAddress === '') return null;
  const name = bounded(cleanLine(address.name ?? ''), MAX_NAME_LENGTH);
  return { name: name === '' || name.toLowerCase() === emailAddress ? null : name, emailAddress };
}

/** The recipients as they are stored: each address once, at most 500. */
export function toCorrespondents(addresses: readonly MailAddress[]): Correspondent[] {
  const byAddress = new Map<string, Correspondent>();
  for (const address of addresses) {
    const correspondent = toCorrespondent(address);
    if (correspondent === null || byAddress.has(correspondent.emailAddress)) continue;
    byAddress.set(correspondent.emailAddress, correspondent);
    if (byAddress.size === MAX_RECIPIENTS) break;
  }
  return [...byAddress.values()];
}
