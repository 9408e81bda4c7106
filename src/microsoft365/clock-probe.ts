import { type Clock, SECOND } from '../platform/clock.ts';
import { CLOUDS } from './clouds.ts';
import { type EndpointOverrides, loginUrlOf } from './endpoints.ts';

const DEADLINE = 5 * SECOND;

/**
 * How far our clock is ahead of Microsoft's, in milliseconds; negative when it is behind. Null when Microsoft did not
 * answer, or without a `Date` (RFC 9110, 6.6.1), which knows whole seconds only. It never throws.
 */
export async function measureClockSkew(overrides: EndpointOverrides, clock: Clock): Promise<number | null> {
  const url = `${CLOUDS.GLOBAL.loginUrl}/common/v2.0/.well-known/openid-configuration`;
  try {
    const before = clock.now().getTime();
    const response = await fetch(loginUrlOf(overrides, url) ?? url, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(DEADLINE),
    });
    await response.body?.cancel();
    const theirs = Date.parse(response.headers.get('date') ?? '');
    if (Number.isNaN(theirs)) return null;
    // The header was cut to the second somewhere between asking and hearing.
    return (before + clock.now().getTime()) / 2 - (theirs + SECOND / 2);
  } catch {
    return null;
  }
}
