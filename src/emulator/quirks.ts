import { z } from 'zod';

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
});

/** The quirks of one mailbox. */
export interface Quirks {
  /** Immutable ids. */
  corruptMessages: Set<string>;
  repeatedLinks: number;
  emptyPages: number;
  partialUpdates: boolean;
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
  return { corruptMessages: new Set(), repeatedLinks: 0, emptyPages: 0, partialUpdates: false };
}
