/** How a mail is protected. Deskgraph neither opens nor verifies any of it. */
export type Protection =
  | 'SMIME_SIGNED'
  | 'SMIME_ENCRYPTED'
  | 'PGP_SIGNED'
  | 'PGP_ENCRYPTED'
  | 'RIGHTS_PROTECTED';

/** A mail's headers, names as written. */
type Headers = readonly { name: string; value: string }[];

/** Armour on a line of its own (RFC 9580, 6.2): a sentence may mention it. */
const PGP_ARMOUR = /^-----BEGIN PGP (SIGNED )?MESSAGE-----[ \t]*$/m;

/**
 * Whether a mail is signed or encrypted, by its media type (S/MIME: RFC 8551, 3.2 and 3.5; PGP/MIME: RFC 3156), by what
 * Exchange says of rights management (MS-OXORMMS), and by PGP's armour within what the author wrote. Null for all other
 * mail. What Exchange has changed on the way may no longer verify: the original is in the mailbox.
 */
export function protectionOf(headers: Headers, own: string): Protection | null {
  const headerOf = (wanted: string) =>
    (headers.find(({ name }) => name.toLowerCase() === wanted)?.value ?? '').slice(0, 2_000).toLowerCase();
  const type = headerOf('content-type');
  const media = type.split(';', 1)[0]?.trim() ?? '';
  if (media === 'application/pkcs7-mime' || media === 'application/x-pkcs7-mime') {
    return /smime-type\s*=\s*"?(?:signed-data|certs-only)/.test(type) ? 'SMIME_SIGNED' : 'SMIME_ENCRYPTED';
  }
  if (media === 'multipart/signed') return type.includes('pgp') ? 'PGP_SIGNED' : 'SMIME_SIGNED';
  if (media === 'multipart/encrypted') return 'PGP_ENCRYPTED';
  if (headerOf('content-class').trim() === 'rpmsg.message') return 'RIGHTS_PROTECTED';
  const armour = PGP_ARMOUR.exec(own);
  if (armour === null) return null;
  return armour[1] === undefined ? 'PGP_ENCRYPTED' : 'PGP_SIGNED';
}

/**
 * The same by the files that came with a mail: what Microsoft Purview protects is a usual mail to everybody else, with the
 * protected one in `message_v2.rpmsg`.
 */
export function protectionByFiles(
  files: readonly { name: string; contentType: string }[],
): Protection | null {
  const isProtected = files.some(
    ({ name, contentType }) =>
      contentType === 'application/x-microsoft-rpmsg-message' || /^message(?:_v\d)?\.rpmsg$/i.test(name),
  );
  return isProtected ? 'RIGHTS_PROTECTED' : null;
}
