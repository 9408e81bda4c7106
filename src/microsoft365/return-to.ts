import { InvalidInputError } from '../errors.ts';

/**
 * Where the browser goes after a sign-in: a path on this server, never another host (an open redirect would lend our name
 * to anybody). Gives the path with its query; throws `InvalidInputError` for everything else.
 */
export function checkReturnTo(returnTo: string | null, publicUrl: string): string | null {
  if (returnTo === null) return null;
  const base = new URL(publicUrl);
  const target =
    returnTo.startsWith('/') && URL.canParse(returnTo, base.href) ? new URL(returnTo, base) : null;
  const isOurs =
    target?.origin === base.origin && target.pathname.startsWith(base.pathname.replace(/\/*$/, '/'));
  // `//host` and `/\host` begin with a slash as well, and lead elsewhere.
  if (target === null || !isOurs || returnTo.length > 2_000) {
    throw new InvalidInputError(
      'returnTo',
      'The return address is not a path on this server.',
      'Give a path that begins with one slash, such as /settings.',
    );
  }
  return target.pathname + target.search + target.hash;
}
