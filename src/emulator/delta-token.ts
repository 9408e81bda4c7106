import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import { GraphFault } from './graph-fault.ts';

const tokenSchema = z.object({
  /** The state's generation: tokens of an earlier one have expired. */
  generation: z.number(),
  folderId: z.string(),
  select: z.array(z.string()).nullable(),
  extendedProperties: z.array(z.string()),
  top: z.number().nullable(),
  /** Only messages received from here on, in milliseconds since 1970. */
  receivedFrom: z.number().nullable(),
  receivedFromExclusive: z.boolean(),
  newestFirst: z.boolean(),
  changeType: z.enum(['created', 'updated', 'deleted']).nullable(),
  /** While the folder is read for the first time: the place of the last message given. */
  after: z.object({ receivedAt: z.number(), serial: z.number() }).nullable(),
  isFirstRound: z.boolean(),
  /** Messages given in the first round. */
  given: z.number(),
  /** Position in the change log that the next page, or the next round, starts from. */
  position: z.number(),
  /** Grows with every page, so that no two links of a query are the same. */
  page: z.number(),
  /** Where the round began. */
  roundStart: z.number(),
});

/** Everything a delta query goes on from; its options are baked in, as they are at Microsoft. */
export type DeltaToken = z.infer<typeof tokenSchema>;

/** The token as the opaque text in a link. */
export function writeDeltaToken(token: DeltaToken): string {
  return deflateRawSync(JSON.stringify(token)).toString('base64url');
}

/** Reads a token back. Throws 400 `SyncStateInvalid` for text that is none. */
export function readDeltaToken(text: string): DeltaToken {
  try {
    const json: unknown = JSON.parse(
      inflateRawSync(Buffer.from(text, 'base64url'), { maxOutputLength: 64 * 1024 }).toString(),
    );
    return tokenSchema.parse(json);
  } catch {
    throw new GraphFault(400, 'SyncStateInvalid', 'The sync state generation is not valid.');
  }
}
