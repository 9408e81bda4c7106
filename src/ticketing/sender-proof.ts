/**
 * Whether Exchange Online found that a mail does not come from the domain that its `From` names. It writes its verdict
 * (RFC 8601) above everything that came with the mail, so that only the first one counts: the rest may be invented.
 *
 * `compauth` is what Exchange makes of all of it, also where a domain has no DMARC policy. No verdict at all is none
 * against the sender: mail within a tenant is not judged. See
 * https://learn.microsoft.com/en-us/defender-office-365/message-headers-eop-mdo#authentication-results-message-header.
 */
export function isForgedSender(headers: readonly { name: string; value: string }[]): boolean {
  const verdict = headers.find(({ name }) => name.toLowerCase() === 'authentication-results')?.value ?? '';
  const composite = /\bcompauth=([a-z]+)/i.exec(verdict)?.[1]?.toLowerCase();
  if (composite === 'fail') return true;
  return composite !== 'pass' && /\bdmarc=fail\b/i.test(verdict);
}
