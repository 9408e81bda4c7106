/** Local parts of addresses that nobody reads, as they are commonly written; separators do not matter. */
const NAMES =
  /^(no|non|not|do|dont|donot|ne|keine?|nicht)?(reply|replies|response|respond|repondre|antwort|antworten|responder|rispondere)$/;
const MACHINES =
  /^(mailer-?daemon|postmaster|bounces?|daemon|root|nobody|null|devnull|abuse|listserv|majordomo|mdaemon|auto-?(mailer|notify|confirm|reply|responder)|notifications?|alerts?|msonlineservicesteam|microsoftexchange[0-9a-f]{32})$/;
const PREFIXES = /^(bounces?|return|owner|prvs|srs[01]|msprvs1)[+=-]/;
const SUFFIXES = /-(bounces?|request|owner|noreply|no-reply|daemon)$/;

/**
 * Whether mail to the address would reach nobody, or a robot, as far as its name tells: `no-reply`, `mailer-daemon`,
 * `bounces+x`. `reply@` alone is an address like any other.
 */
export function isNoReplyAddress(address: string): boolean {
  const whole = address.toLowerCase().split('@')[0] ?? '';
  if (PREFIXES.test(whole)) return true;
  const local = whole.replace(/\+.*$/, '');
  const squeezed = local.replaceAll(/[._-]/g, '');
  if (NAMES.exec(squeezed)?.[1] !== undefined) return true;
  if (/(^|[._-])(no|do[._-]?not)[._-]?reply($|[._-])/.test(local)) return true;
  return MACHINES.test(local) || SUFFIXES.test(local);
}
