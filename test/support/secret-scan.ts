/** As many characters in a row, out of the random part of a secret, are no accident. */
const WINDOW = 16;
/** Where the windows of a long secret lie: a text that was cut off in its middle shows one of them as well. */
const STRIDE = 64;
const BASE = 0x01000193;
/** Bits of a hash that say "certainly not", for nearly every position at the cost of one look. */
const FILTER_BITS = 18;

/** A part of a secret, and what the secret is. */
interface Window {
  bytes: Buffer;
  kind: string;
}

/**
 * Finds many secrets in much text at once: a hash rolls over the text (Rabin and Karp, 1987) and is looked up among those of
 * all windows, so that the cost hardly depends on how many secrets there are.
 */
export class SecretScan {
  readonly #windows = new Map<number, Window[]>();
  readonly #filter = new Uint8Array(2 ** FILTER_BITS);
  readonly #known = new Set<string>();
  readonly kinds = new Map<string, number>();

  /** Remembers a secret in every spelling in which it could hide. What is shorter than 16 characters is left out. */
  learn(kind: string, secret: string): void {
    if (secret.length < WINDOW || this.#known.has(secret)) return;
    this.#known.add(secret);
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    for (const spelling of spellingsOf(secret)) {
      const bytes = Buffer.from(spelling);
      if (bytes.length < WINDOW) continue;
      // The head of a token is the same for all of them, the end is its very own.
      this.#add(kind, bytes.subarray(bytes.length - WINDOW));
      for (let at = 2 * STRIDE; at + WINDOW < bytes.length; at += STRIDE) {
        this.#add(kind, bytes.subarray(at, at + WINDOW));
      }
    }
  }

  /** The kinds of the secrets in `text`, each with the position of the first one. */
  find(text: Buffer): Map<string, number> {
    const found = new Map<string, number>();
    if (this.#windows.size === 0 || text.length < WINDOW) return found;
    let first = 1;
    for (let index = 0; index < WINDOW; index += 1) first = Math.imul(first, BASE);
    let hash = 0;
    const filter = this.#filter;
    for (let index = 0; index < text.length; index += 1) {
      hash = (Math.imul(hash, BASE) + (text[index] ?? 0)) | 0;
      if (index < WINDOW - 1) continue;
      if (index >= WINDOW) hash = (hash - Math.imul(text[index - WINDOW] ?? 0, first)) | 0;
      if (filter[slotOf(hash)] === 0) continue;
      const start = index - WINDOW + 1;
      for (const { bytes, kind } of this.#windows.get(hash) ?? []) {
        if (!found.has(kind) && bytes.compare(text, start, index + 1) === 0) found.set(kind, start);
      }
    }
    return found;
  }

  #add(kind: string, bytes: Buffer): void {
    const hash = bytes.reduce((sum, byte) => (Math.imul(sum, BASE) + byte) | 0, 0);
    this.#filter[slotOf(hash)] = 1;
    const others = this.#windows.get(hash) ?? [];
    if (others.some((other) => other.bytes.equals(bytes))) return;
    this.#windows.set(hash, [...others, { bytes, kind }]);
  }
}

function slotOf(hash: number): number {
  return hash >>> (32 - FILTER_BITS);
}

/** As it is, in an address, in JSON, in hexadecimal, and in base64 wherever it begins there; the ends differ in that. */
function spellingsOf(secret: string): Set<string> {
  const inBase64 = ['', 'x', 'xx'].map((before) =>
    Buffer.from(before + secret)
      .toString('base64')
      .slice(4, -4),
  );
  return new Set([
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString('hex'),
    ...inBase64,
    ...inBase64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ]);
}
