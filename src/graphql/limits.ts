import { SECOND } from '../platform/clock.ts';

/*
 * How large a request may be. Every number is part of the contract: README and the schema's description name them, and
 * what is over one gets the code LIMIT_EXCEEDED with the limit in its message.
 */

/** Levels of fields below the operation. */
export const MAX_DEPTH = 12;
/** Levels of fields below `__schema` and `__type`; the standard introspection query has fourteen. */
export const MAX_INTROSPECTION_DEPTH = 20;
/** What all fields may cost together, see {@link fieldComplexity}. */
export const MAX_COMPLEXITY = 10_000;
/** Aliases, each counted as often as its fragment is used. */
export const MAX_ALIASES = 30;
/** Fields directly below the operation. */
export const MAX_ROOT_FIELDS = 20;
/** Lexical tokens of a document. */
export const MAX_TOKENS = 2_000;
/** Bytes of the bodies of messages (`text`, `html`, `strippedText`) that an operation loads, and each event of a stream. */
export const MAX_MESSAGE_BYTES = 33_554_432;
/** Bytes of a request's body, and of one WebSocket message. */
export const MAX_BODY_BYTES = 1_048_576;
/** Characters of a URL. */
export const MAX_URL_LENGTH = 8_192;
/** Operations that one WebSocket runs at the same time. */
export const MAX_OPERATIONS_PER_SOCKET = 50;
/** WebSockets and event streams over HTTP that one API key holds in one process at the same time. */
export const MAX_STREAMS_PER_KEY = 100;
/** How long a query or a mutation may take, in milliseconds. Subscriptions have no end. */
export const OPERATION_TIMEOUT = 30 * SECOND;
