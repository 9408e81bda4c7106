import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Above the ports of services that a machine has, and those that `fetch` refuses; below what Linux gives to connections. */
const LOWEST = 10_240;
const HIGHEST = 65_535;
/** What Linux gives to connections when nobody has said anything else; where there is no /proc, it serves as well. */
const USUAL_EPHEMERAL: readonly [number, number] = [32_768, 60_999];
/** Fewer than these are not worth keeping to: several processes would meet. */
const FEWEST = 2_000;
/** So many ports lie between where two processes with neighbouring numbers begin: more than a file asks for. */
const STRIDE = 41;

let given = 0;

/**
 * A TCP port of 127.0.0.1 on which nobody listens, and that nobody gets by chance before it is used: it is none of the
 * kernel's ephemeral ports, one of which every outgoing connection and every `listen(0)` of the machine takes. Each process
 * looks in a place of its own, and never gives the same port twice. Throws when all are taken.
 */
export async function freePort(): Promise<number> {
  const [first, last] = givableRange();
  const count = last - first + 1;
  for (; given < count; ) {
    const port = first + ((process.pid * STRIDE + given) % count);
    given += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`No port of ${first} to ${last} is free.`);
}

/** The larger of the two ranges that the kernel's leaves. */
function givableRange(): [number, number] {
  const [lowest, highest] = ephemeralRange();
  const below: [number, number] = [LOWEST, lowest - 1];
  const above: [number, number] = [Math.max(highest + 1, LOWEST), HIGHEST];
  const [range = below] = [below, above].sort((a, b) => b[1] - b[0] - (a[1] - a[0]));
  // A machine that gives nearly all of them to connections: it is taken as it comes.
  return range[1] - range[0] < FEWEST ? [LOWEST, USUAL_EPHEMERAL[0] - 1] : range;
}

function ephemeralRange(): readonly [number, number] {
  try {
    const text = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
    const [lowest = Number.NaN, highest = Number.NaN] = text.trim().split(/\s+/).map(Number);
    return Number.isInteger(lowest) && Number.isInteger(highest) ? [lowest, highest] : USUAL_EPHEMERAL;
  } catch {
    return USUAL_EPHEMERAL;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
