/** How long a test waits for something that must happen; generous, since the machine may be busy. */
const DEADLINE = 20_000;

/**
 * Asks `probe` again and again until it gives something other than undefined or false. Throws after the deadline with
 * `what`. For states that announce themselves by no event; where there is an event, wait for that instead.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMilliseconds = DEADLINE,
): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() - startedAt > deadlineMilliseconds) throw new Error(`Never happened: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
