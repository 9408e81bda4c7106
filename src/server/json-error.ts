import { ExpectedError } from '../errors.ts';
import { currentCorrelationId } from '../platform/logger.ts';

/**
 * An error outside of GraphQL's own answers, in GraphQL's form, so that every client reads it the same way. `accept`
 * decides between the two media types of GraphQL over HTTP.
 */
export function jsonError(status: number, error: ExpectedError, accept?: string | null): Response {
  const { code, message, remedy } = error;
  const correlationId = currentCorrelationId();
  const extensions = { code, remedy, ...(correlationId && { correlationId }) };
  const type = accept?.includes('application/graphql-response+json')
    ? 'application/graphql-response+json'
    : 'application/json';
  return new Response(JSON.stringify({ errors: [{ message, extensions }] }), {
    status,
    headers: { 'Content-Type': `${type}; charset=utf-8` },
  });
}

/** A request that is refused before anybody looks at its content. */
export class RefusedRequestError extends ExpectedError {}

/** The answer when an error of ours came up: it says where the log has it, and nothing else. */
export function unexpectedError(): Response {
  const remedy = `Try again; the log has it under ${currentCorrelationId()}.`;
  return jsonError(500, new RefusedRequestError('INTERNAL_SERVER_ERROR', 'Unexpected error.', remedy));
}
