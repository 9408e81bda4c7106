import { type DocumentNode, GraphQLError, parse, type Source } from 'graphql';
import { MAX_TOKENS } from './limits.ts';

/** Parses a document of at most {@link MAX_TOKENS} tokens. Throws a GraphQLError with a code of our catalogue. */
export function parseDocument(source: string | Source): DocumentNode {
  try {
    return parse(source, { maxTokens: MAX_TOKENS });
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    const isTooLong = error.message.includes('tokens. Parsing aborted');
    throw new GraphQLError(
      isTooLong ? `The request has more than ${MAX_TOKENS} tokens, which is the limit.` : error.message,
      {
        source: error.source,
        positions: error.positions,
        extensions: isTooLong
          ? { code: 'LIMIT_EXCEEDED', remedy: 'Split the document.', http: { spec: true, status: 400 } }
          : {
              code: 'GRAPHQL_PARSE_FAILED',
              remedy: 'Correct the document at the place named.',
              http: { spec: true, status: 400 },
            },
      },
    );
  }
}
