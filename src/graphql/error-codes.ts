/**
 * Every code that an error of the API can carry, with what it means. Codes are public: they appear in the schema as
 * `ErrorCode` and in `extensions.code`, and are never reused for another meaning. A test compares this list with the
 * `ExpectedError`s of the source, both ways.
 */
export const ERROR_CODES = {
  // The request itself
  UNAUTHENTICATED: 'No credentials were sent, or they are unknown, revoked or expired.',
  FORBIDDEN: 'The credentials are known; their role does not have the permission that this needs.',
  NOT_FOUND: 'The id does not exist, or belongs to another organization: both answer the same.',
  INVALID_INPUT: 'The shape of an argument is right and its value is not; the message names it.',
  GRAPHQL_PARSE_FAILED: 'The document is not GraphQL.',
  GRAPHQL_VALIDATION_FAILED: 'The document is GraphQL and does not fit the schema.',
  BAD_REQUEST: 'The HTTP request is not a GraphQL request, or its variables do not fit.',
  LIMIT_EXCEEDED:
    'The document or the request is larger than a documented limit allows; the message names it.',
  TOO_MANY_CONNECTIONS: 'The credential already holds as many connections as it may.',
  TIMEOUT: 'The request took longer than it may.',
  INTERNAL_SERVER_ERROR: 'Something unexpected; the log has it under the correlation id of the answer.',
  // Access
  OWNER_REQUIRED: 'Only an OWNER may make, change or issue keys for an OWNER.',
  LAST_OWNER: 'The change would leave the organization without an enabled OWNER.',
  USER_DISABLED: 'The user is disabled.',
  SESSION_ENDED:
    'The key was revoked, or its user disabled or given another role, while the stream was open.',
  // Lists and streams
  INVALID_CURSOR: 'The cursor is malformed, or not one of this list.',
  CURSOR_EXPIRED:
    'Events after the cursor are no longer kept: read the state anew, then subscribe without it.',
  SLOW_CONSUMER: 'Events came faster than they were taken. Resume with the last cursor received.',
  // The process
  INVALID_CONFIGURATION: 'The environment of the server has faults.',
} as const satisfies Record<string, string>;

/** A code that an error of the API can carry. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The code as the API shows it: one that is not in the catalogue (a stored problem of an older version) is unexpected. */
export function errorCodeOf(code: string): ErrorCode {
  return Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'INTERNAL_SERVER_ERROR';
}
