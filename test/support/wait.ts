/**
 * How long a test waits for something that must happen, in milliseconds. It is the one limit for "the machine is slow": a
 * machine that is busy with other things takes ten times as long, and nothing waits for it that goes well. Where the
 * product promises a time, the test measures that time itself; this is not the place for it. Half of what a test may take
 * (vitest.config.ts), so that the one who waited in vain says what for.
 */
export const SLOW_MACHINE = 60_000;

/**
 * Asks `probe` again and again until it gives something other than undefined or false. Throws after the deadline with
 * `what`. For states that announce themselves by no event; where there is an event, wait for that instead.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMilliseconds = SLOW_MACHINE,
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
