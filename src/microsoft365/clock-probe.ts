import { type Clock, SECOND } from '../platform/clock.ts';
import { CLOUDS, type CloudName } from './clouds.ts';
import { type EndpointOverrides, loginUrlOf, reachesLoginOf } from './endpoints.ts';

const DEADLINE = 5 * SECOND;

/** The cloud whose clock counts for an organization: that of its integrations, the global one before there are any. */
export function cloudToProbe(clouds: readonly CloudName[], overrides: EndpointOverrides): CloudName {
  const known = clouds.filter((cloud) => reachesLoginOf(overrides, cloud));
  return known.includes('GLOBAL') ? 'GLOBAL' : (known[0] ?? 'GLOBAL');
}

/**
 * How far our clock is ahead of Microsoft's, in milliseconds; negative when it is behind. Null when Microsoft did not
 * answer, or without a `Date` (RFC 9110, 6.6.1), which knows whole seconds only. It never throws.
 */
export async function measureClockSkew(
  overrides: EndpointOverrides,
  clock: Clock,
  cloud: CloudName,
): Promise<number | null> {
  const url = `${CLOUDS[cloud].loginUrl}/common/v2.0/.well-known/openid-configuration`;
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
