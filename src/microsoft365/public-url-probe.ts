import { z } from 'zod';
import { type Clock, SECOND } from '../platform/clock.ts';
import type { LinkSigner } from '../platform/link-signing.ts';
import { randomToken } from '../platform/secrets.ts';

/** Where {@link probePublicUrl} asks, below the public URL; a token of {@link PROBE_TOKEN}'s form follows. */
export const PROBE_PATH = '/setup-check';
/** A token as {@link probePublicUrl} makes it. */
export const PROBE_TOKEN = /^[\w-]{43}$/;

const DEADLINE = 5 * SECOND;
/** Our answer has some hundred bytes; what else answers there is not read to its end. */
const LARGEST_ANSWER_BYTES = 2_000;

/** What answers under the public URL. */
export type PublicUrlAnswer =
  | { kind: 'OURS' }
  /** Something else: it answered with this status. */
  | { kind: 'OTHER'; status: number }
  /** It sends us elsewhere, as sign-in pages of proxies do. */
  | { kind: 'REDIRECT'; status: number }
  /** Nothing answered; `code` is what the network said, such as `ENOTFOUND`. */
  | { kind: 'NOTHING'; code: string };

const answerSchema = z.object({ expiresAt: z.number(), signature: z.string() });

/** What a server of this installation answers to a token: a proof that only holders of its encryption keys can give. */
export function answerProbe(links: LinkSigner, clock: Clock, token: string): z.infer<typeof answerSchema> {
  const { expiresAt, signature } = links.sign(subjectOf(token), clock.now());
  return { expiresAt: expiresAt.getTime(), signature };
}

/**
 * Asks the public URL, and nothing else, for a proof that this installation answers there: whichever of its processes it
 * is, and no other server that happens to be at the address. The token is new each time, so no old answer can be given.
 * It never throws, and follows no redirect.
 */
export async function probePublicUrl(
  publicUrl: string,
  links: LinkSigner,
  clock: Clock,
): Promise<PublicUrlAnswer> {
  const token = randomToken();
  try {
    const response = await fetch(`${publicUrl}${PROBE_PATH}/${token}`, {
      headers: { accept: 'application/json' },
      redirect: 'manual',
      signal: AbortSignal.timeout(DEADLINE),
    });
    const { status } = response;
    const text = await readHead(response);
    if (status >= 300 && status < 400) return { kind: 'REDIRECT', status };
    return status === 200 && isProof(text, token, links, clock)
      ? { kind: 'OURS' }
      : { kind: 'OTHER', status };
  } catch (error) {
    return { kind: 'NOTHING', code: networkCodeOf(error) };
  }
}

function isProof(text: string, token: string, links: LinkSigner, clock: Clock): boolean {
  try {
    const { expiresAt, signature } = answerSchema.parse(JSON.parse(text));
    return links.verify(subjectOf(token), new Date(expiresAt), signature, clock.now());
  } catch {
    return false;
  }
}

/** Nothing else is signed for a subject that begins like this: whoever asks for proofs gets nothing of use. */
function subjectOf(token: string): string {
  return `setup-check ${token}`;
}

async function readHead(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    parts.push(part);
    length += part.length;
    if (length > LARGEST_ANSWER_BYTES) break;
  }
  return Buffer.concat(parts).toString('utf8');
}

/** What `fetch` hides in its cause. */
function networkCodeOf(error: unknown): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'TIMEOUT';
  const cause = error instanceof Error ? error.cause : undefined;
  const code: unknown = typeof cause === 'object' && cause !== null ? Reflect.get(cause, 'code') : undefined;
  return typeof code === 'string' ? code : 'UNREACHABLE';
}
