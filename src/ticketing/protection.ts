/** How a mail is protected. Deskgraph neither opens nor verifies any of it. */
export type Protection = 'SMIME_SIGNED' | 'SMIME_ENCRYPTED' | 'PGP_SIGNED' | 'PGP_ENCRYPTED';

/** A mail's headers, names as written. */
type Headers = readonly { name: string; value: string }[];

/**
 * Whether a mail is signed or encrypted, by its media type (S/MIME: RFC 8551, 3.2 and 3.5; PGP/MIME: RFC 3156) and, for
 * PGP within the text, by its armour (RFC 9580, 6.2). Null for all other mail. What Exchange has changed on the way may
 * no longer verify: the original is in the mailbox.
 */
export function protectionOf(headers: Headers, text: string): Protection | null {
  const header = headers.find(({ name }) => name.toLowerCase() === 'content-type')?.value ?? '';
  const type = header.slice(0, 2_000).toLowerCase();
  const media = type.split(';', 1)[0]?.trim() ?? '';
  if (media === 'application/pkcs7-mime' || media === 'application/x-pkcs7-mime') {
    return /smime-type\s*=\s*"?(?:signed-data|certs-only)/.test(type) ? 'SMIME_SIGNED' : 'SMIME_ENCRYPTED';
  }
  if (media === 'multipart/signed') return type.includes('pgp') ? 'PGP_SIGNED' : 'SMIME_SIGNED';
  if (media === 'multipart/encrypted') return 'PGP_ENCRYPTED';
  const start = text.trimStart().slice(0, 100);
  if (start.startsWith('-----BEGIN PGP MESSAGE-----')) return 'PGP_ENCRYPTED';
  return start.startsWith('-----BEGIN PGP SIGNED MESSAGE-----') ? 'PGP_SIGNED' : null;
}
