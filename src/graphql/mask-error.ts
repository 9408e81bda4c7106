import { GraphQLError, type GraphQLErrorOptions } from 'graphql';
import { ExpectedError, toError } from '../errors.ts';
import { currentCorrelationId, type Logger } from '../platform/logger.ts';

/**
 * Makes the one place where what was thrown becomes what the caller sees. GraphQL's own errors pass; an
 * {@link ExpectedError} shows its code, message and remedy; everything else becomes "Unexpected error." and is logged
 * once, under the correlation id that the caller gets too.
 */
export function createMaskError(logger: Logger): (error: unknown) => GraphQLError {
  return (error) => {
    const original = error instanceof GraphQLError ? originalOf(error) : error;
    if (original instanceof GraphQLError) return withCodeAndRemedy(original);
    const place = error instanceof GraphQLError ? placeOf(error) : {};
    if (original instanceof ExpectedError) {
      const { code, remedy } = original;
      return new GraphQLError(original.message, { ...place, extensions: { code, remedy } });
    }
    const correlationId = currentCorrelationId();
    logger.error({ err: toError(original), path: place.path?.join('.') }, 'unexpected error in GraphQL');
    return new GraphQLError('Unexpected error.', {
      ...place,
      extensions: {
        code: 'INTERNAL_SERVER_ERROR',
        unexpected: true,
        ...(correlationId && { correlationId }),
      },
    });
  };
}

/** What the libraries refuse (variables that do not fit, a body that is not JSON), with what they leave out. */
function withCodeAndRemedy(error: GraphQLError): GraphQLError {
  const { originalError: parserError, ...extensions } = error.extensions;
  if (extensions['code'] && extensions['remedy']) return error;
  const { source, positions } = error;
  // What does not fit is quoted behind the colon, and may be a secret that was put into the wrong place.
  const message = error.message.replace(/( value): [\s\S]*$/, '$1.');
  // A body that is not JSON is no GraphQL request at all, so its status is 400 for every media type.
  if (parserError) extensions['http'] = { status: 400 };
  return new GraphQLError(message, {
    ...placeOf(error),
    ...(source && { source }),
    ...(positions && { positions }),
    extensions: { code: 'BAD_REQUEST', remedy: 'Correct the request as the message says.', ...extensions },
  });
}

/** What was thrown below GraphQL's wrapping; the error itself, with its place, when GraphQL made it. */
function originalOf(error: GraphQLError): unknown {
  let original: GraphQLError = error;
  while (original.originalError) {
    if (!(original.originalError instanceof GraphQLError)) return original.originalError;
    original = original.originalError;
  }
  if (original === error) return error;
  return new GraphQLError(original.message, { ...placeOf(error), extensions: original.extensions });
}

/** Where in the document and in the answer it happened. */
function placeOf({ nodes, path }: GraphQLError): Pick<GraphQLErrorOptions, 'nodes' | 'path'> {
  return { ...(nodes && { nodes }), ...(path && { path }) };
}
