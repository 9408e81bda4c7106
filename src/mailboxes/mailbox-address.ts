import { InvalidInputError } from '../errors.ts';

/** What RFC 5321 allows. */
const LONGEST_ADDRESS = 254;

/**
 * The address in lower case, as Exchange compares it. Throws `InvalidInputError` for what cannot be the address of a
 * mailbox in Exchange, such as one with spaces, quotes or a slash: it becomes a part of a path.
 */
export function readMailboxAddress(text: string, field: string): string {
  const address = text.trim().toLowerCase();
  const isAddress = /^[^\s@"\\/?#<>()[\],;:\p{C}]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+$/u.test(address);
  if (isAddress && address.length <= LONGEST_ADDRESS) return address;
  throw new InvalidInputError(
    field,
    `\`${field}\` is not the address of a mailbox.`,
    'Give the whole address, such as support@contoso.com.',
  );
}
