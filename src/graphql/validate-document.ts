import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  NoSchemaIntrospectionCustomRule,
  specifiedRules,
  validate,
} from 'graphql';
import { documentLimitsRule } from './document-limits.ts';

/** More faults than these help nobody. */
const MAX_ERRORS = 20;
/** What graphql says when comparing fields that may merge would take too long; it has no code of its own. */
const ABORTED = 'Validation aborted.';

/**
 * Validates a document against schema and limits. In production introspection is off, and errors do not suggest names of
 * the schema.
 */
export function validateDocument(
  schema: GraphQLSchema,
  document: DocumentNode,
  { isProduction }: { isProduction: boolean },
): readonly GraphQLError[] {
  const rules = [
    ...specifiedRules,
    documentLimitsRule,
    ...(isProduction ? [NoSchemaIntrospectionCustomRule] : []),
  ];
  const errors = validate(schema, document, rules, { maxErrors: MAX_ERRORS, hideSuggestions: isProduction });
  return errors.map((error) => (error.message === ABORTED ? tooManyRepetitions() : withRemedy(error)));
}

function withRemedy(error: GraphQLError): GraphQLError {
  error.extensions['remedy'] ??= 'Correct the document; the schema describes every field and argument.';
  return error;
}

function tooManyRepetitions(): GraphQLError {
  return new GraphQLError('The request repeats the same fields too often to be checked.', {
    extensions: {
      code: 'LIMIT_EXCEEDED',
      remedy: 'Ask for each field once.',
      http: { spec: true, status: 400 },
    },
  });
}
