import { z } from 'zod';

const oddAnswerSchema = z.strictObject({
  /** Properties that have these values instead, of whatever type, where they are asked for. */
  set: z.record(z.string().min(1), z.unknown()).default({}),
  /** Properties that are missing. */
  omit: z.array(z.string().min(1)).max(100).default([]),
});

/** Ways in which Exchange has been seen to misbehave, to be switched on for a mailbox; they go away with a reset. */
export const quirksSchema = z.strictObject({
  /** Immutable or default ids of messages that make every answer they are in a 500, unless only `id` is selected. */
  corruptMessages: z.array(z.string().min(1)).max(10_000).optional(),
  /** So many of the next delta pages give a `nextLink` that leads to the very same page. */
  repeatedLinks: z.int().min(0).max(10_000).optional(),
  /** So many of the next delta pages are empty and go on behind their `nextLink`. */
  emptyPages: z.int().min(0).max(10_000).optional(),
  /** True: a message that changed comes in a delta query with its id and what people change about it, and no more. */
  partialUpdates: z.boolean().optional(),
  /** A delta query shows what happened to a message only after so long; its id works at once, and it is announced at once. */
  deltaLagMs: z.int().min(0).max(3_600_000).optional(),
  /** By immutable or default id: how the answers about a message differ from what they should be. */
  oddMessages: z
    .record(z.string().min(1), oddAnswerSchema)
    .refine((odd) => Object.keys(odd).length <= 10_000, { error: 'names more than 10,000 messages' })
    .optional(),
});

/** How the answers about a message differ from what they should be. */
export type OddAnswer = z.infer<typeof oddAnswerSchema>;

/** The quirks of one mailbox. */
export interface Quirks {
  /** Immutable ids. */
  corruptMessages: Set<string>;
  repeatedLinks: number;
  emptyPages: number;
  partialUpdates: boolean;
  deltaLagMs: number;
  /** By immutable id. */
  oddMessages: Map<string, OddAnswer>;
}

/** What of an updated message comes with `partialUpdates`. */
export const CHANGEABLE_PROPERTIES: ReadonlySet<string> = new Set([
  'isRead',
  'categories',
  'flag',
  'importance',
  'changeKey',
  'lastModifiedDateTime',
]);

/** A mailbox that behaves. */
export function noQuirks(): Quirks {
  return {
    corruptMessages: new Set(),
    repeatedLinks: 0,
    emptyPages: 0,
    partialUpdates: false,
    deltaLagMs: 0,
    oddMessages: new Map(),
  };
}

/** A message's JSON as the quirks make it: only what it holds already is changed or left out, and never its id. */
export function oddly<Json extends Record<string, unknown>>(json: Json, answer: OddAnswer | undefined): Json {
  if (answer === undefined) return json;
  const properties = Object.entries(json)
    .filter(([name]) => name === 'id' || !answer.omit.includes(name))
    .map(([name, value]) => [
      name,
      name !== 'id' && Object.hasOwn(answer.set, name) ? answer.set[name] : value,
    ]);
  return Object.fromEntries(properties) as Json;
}
