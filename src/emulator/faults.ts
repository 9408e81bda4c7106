import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Randomness } from './randomness.ts';

/** A fault to inject: how it looks, which requests it meets, and how often. */
export const faultSchema = z.strictObject({
  /** HTTP status to answer with, a success or redirect that makes no sense included; without it the request is served. */
  status: z.number().int().min(200).max(599).optional(),
  /** Graph error code; a usual one for the status when left out. */
  errorCode: z.string().max(200).optional(),
  message: z.string().max(1000).optional(),
  /** Sent as `Retry-After`; may be a fraction, as Graph's sometimes is. */
  retryAfterSeconds: z.number().min(0).max(86_400).optional(),
  /** How `Retry-After` says it: RFC 9110 allows both, and a date knows whole seconds only. */
  retryAfterFormat: z.enum(['seconds', 'date']).default('seconds'),
  /** How long a request waits; it goes on at once when the fault is cleared. */
  latencyMs: z.number().int().min(0).max(600_000).optional(),
  /** True: the connection is reset, no answer comes. */
  reset: z.boolean().optional(),
  /** True: the request is carried out, and only then answered with the fault. */
  afterwards: z.boolean().optional(),
  probability: z.number().min(0).max(1).default(1),
  /** Regular expression over path and query, decoded. */
  pathPattern: z.string().max(1000).refine(isPattern, { error: 'is not a regular expression' }).optional(),
  method: z
    .string()
    .max(10)
    .transform((method) => method.toUpperCase())
    .optional(),
  /** Only requests for this mailbox, by any of its addresses, whichever way the path names it. */
  mailbox: z.string().max(320).optional(),
  /** Only requests with a token of this person, by any of their addresses. */
  caller: z.string().max(320).optional(),
  /** How often it happens before it is gone; without it, until it is cleared. */
  count: z.number().int().min(1).optional(),
});

/** A fault as the control API takes it. */
export type FaultInput = z.infer<typeof faultSchema>;

/** A fault that is active. */
export interface Fault extends FaultInput {
  id: string;
  /** How often it has happened. */
  happened: number;
}

/** A request as faults look at it. */
export interface FaultTarget {
  method: string;
  /** Path and query, decoded. */
  path: string;
  /** User id of the mailbox the request is for. */
  mailbox: string | null;
  /** User id of the person whose token it carries; null for applications and for requests without one. */
  caller: string | null;
}

/** The faults that are active, in the order in which they were set. */
export interface FaultBoard {
  add(fault: FaultInput): Fault;
  list(): Fault[];
  /**
   * Takes away one fault, or all, and lets go on what waits for their latency, also for those that have happened often
   * enough. True when there was something to take away.
   */
  clear(id?: string): boolean;
  /** The faults that hit this request now; each is counted as happened. */
  draw(target: FaultTarget): Fault[];
  /** Aborts when the fault is cleared; of one that has been, it has. */
  cleared(fault: Fault): AbortSignal;
}

/** A board without faults. `userIdOf` says which mailbox an address belongs to. */
export function createFaultBoard(
  userIdOf: (address: string) => string | undefined,
  randomness: Randomness,
): FaultBoard {
  const faults = new Map<string, Fault>();
  /** Of those that make requests wait, until they are cleared: requests outlast a fault that happens so many times. */
  const waits = new Map<string, AbortController>();
  const release = (id: string) => {
    waits.get(id)?.abort();
    return waits.delete(id);
  };
  return {
    add(input) {
      const fault: Fault = { ...input, id: randomUUID(), happened: 0 };
      faults.set(fault.id, fault);
      if (fault.latencyMs) waits.set(fault.id, new AbortController());
      return fault;
    },
    list: () => [...faults.values()],
    clear(id) {
      const ids = id === undefined ? [...faults.keys(), ...waits.keys()] : [id];
      const known = ids.filter((one) => {
        const isActive = faults.delete(one);
        return release(one) || isActive;
      });
      return known.length > 0;
    },
    draw(target) {
      const drawn = [...faults.values()].filter(
        (fault) =>
          matches(fault, target, userIdOf) &&
          (fault.probability === 1 || randomness.next() < fault.probability),
      );
      for (const fault of drawn) {
        fault.happened += 1;
        if (fault.count !== undefined && fault.happened >= fault.count) faults.delete(fault.id);
      }
      return drawn;
    },
    cleared: ({ id }) => waits.get(id)?.signal ?? AbortSignal.abort(),
  };
}

function matches(
  fault: Fault,
  target: FaultTarget,
  userIdOf: (address: string) => string | undefined,
): boolean {
  if (fault.method !== undefined && fault.method !== target.method) return false;
  if (fault.mailbox !== undefined && userIdOf(fault.mailbox) !== target.mailbox) return false;
  if (fault.caller !== undefined && userIdOf(fault.caller) !== target.caller) return false;
  return fault.pathPattern === undefined || new RegExp(fault.pathPattern).test(target.path);
}

function isPattern(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}
