/**
 * An outcome that the caller can do something about: it has a stable code, a sentence for people and a remedy.
 * Everything else that is thrown is unexpected: masked towards the outside and logged once.
 *
 * Codes are public API: they appear in GraphQL as `ErrorCode` and are never reused for another meaning.
 */
export class ExpectedError extends Error {
  readonly code: string;
  /** What the reader can do about it, as a sentence. */
  readonly remedy: string;

  constructor(code: string, message: string, remedy: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.remedy = remedy;
  }
}

/** An id that does not exist, or that belongs to another organization: both answer the same. */
export class NotFoundError extends ExpectedError {
  constructor(what: string) {
    super('NOT_FOUND', `${what} was not found.`, 'Check the id; it may have been deleted.');
  }
}

/** An argument whose shape is right and whose value is not. `field` names the input field at fault. */
export class InvalidInputError extends ExpectedError {
  readonly field: string;

  constructor(field: string, message: string, remedy: string) {
    super('INVALID_INPUT', message, remedy);
    this.field = field;
  }
}

/** What was thrown, as an Error, whatever it was. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}
