/** What decides whether a browser's request comes from our own pages. */
export interface OriginPolicy {
  /** Where browsers reach this server. */
  publicUrl: string;
  /** Other origins that browsers may call from, exactly. */
  corsOrigins: readonly string[];
}

/** The headers of a request, of either kind. */
type HeaderReader = (name: string) => string | null | undefined;

/**
 * Whether a browser sent this from a page of another origin that is not listed: cross-site request forgery, or a WebSocket
 * opened from elsewhere. Programs send none of these headers and pass; they have no cookies that could be abused.
 *
 * Browsers of our time say it themselves (Fetch Metadata, `Sec-Fetch-Site`); for older ones the `Origin` is compared with
 * the `Host` that was asked and with our public address.
 */
export function isForeignOrigin(header: HeaderReader, { publicUrl, corsOrigins }: OriginPolicy): boolean {
  const origin = header('origin');
  const site = header('sec-fetch-site');
  if (origin && (corsOrigins.includes(origin) || origin === new URL(publicUrl).origin)) return false;
  if (site) return site !== 'same-origin' && site !== 'none';
  if (!origin) return false;
  return !URL.canParse(origin) || new URL(origin).host !== header('host');
}
