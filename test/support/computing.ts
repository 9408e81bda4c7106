/**
 * Milliseconds that this thread has computed so far. Not by the clock: while others have the processor it stands still,
 * and what other threads do is not in it.
 */
function computed(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Milliseconds that this thread computes for `work`. */
export function computingOf(work: () => unknown): number {
  const before = computed();
  work();
  return computed() - before;
}

/** The most that this thread computes at a stretch while `work` is done, in milliseconds: so long nobody else has their turn. */
export async function longestStretch(work: () => Promise<unknown> | unknown): Promise<number> {
  let longest = 0;
  let last = computed();
  const look = () => {
    const now = computed();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 5);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  look(); // what came after the last turn
  return longest;
}
