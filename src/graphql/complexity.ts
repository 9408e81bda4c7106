import { complexityFromQuery } from '@pothos/plugin-complexity';
import {
  type ExecutionArgs,
  GraphQLError,
  type GraphQLField,
  getNamedType,
  getOperationAST,
  getVariableValues,
  isListType,
  isNonNullType,
  Kind,
} from 'graphql';
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from '../platform/keyset.ts';
import { limitError } from './limit-error.ts';
import { MAX_COMPLEXITY } from './limits.ts';

/** What a list without pages is taken to hold. */
const PLAIN_LIST_LENGTH = 10;

/**
 * What a field costs: one, and what is selected below it as many times as it may come. A connection counts its page size,
 * and its `edges` count once; a plain list counts ten.
 */
export function fieldComplexity(
  args: Record<string, unknown>,
  _context: unknown,
  { type, name }: GraphQLField<unknown, never>,
): { field: number; multiplier: number } {
  if (getNamedType(type).name.endsWith('Connection')) return { field: 1, multiplier: pageSize(args) };
  const inner = isNonNullType(type) ? type.ofType : type;
  return { field: 1, multiplier: isListType(inner) && name !== 'edges' ? PLAIN_LIST_LENGTH : 1 };
}

/** A size that is out of range is refused when the page is read; here it must only not make the query cheap. */
function pageSize({ first, last }: Record<string, unknown>): number {
  const asked = typeof first === 'number' ? first : typeof last === 'number' ? last : DEFAULT_PAGE_SIZE;
  return Math.min(Math.max(asked, 1), MAX_PAGE_SIZE);
}

/**
 * Why the operation may not run: its variables do not fit, or it costs more than {@link MAX_COMPLEXITY}; null when it may. Checked once, before
 * anything is resolved, also for subscriptions.
 */
export function refuseComplexity(args: ExecutionArgs): GraphQLError | null {
  const operation = getOperationAST(args.document, args.operationName);
  if (!operation) return null;
  // Execution would refuse variables that do not fit, too, but describes fifty faults, each with the whole value; the
  // complexity plug-in describes every one of a hundred thousand, which takes minutes and gigabytes. The first must do.
  const { errors } = getVariableValues(
    args.schema,
    operation.variableDefinitions ?? [],
    { ...args.variableValues },
    { maxErrors: 1 },
  );
  if (errors?.[0]) return errors[0];
  const fragments = args.document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
  try {
    const { complexity } = complexityFromQuery(
      { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] },
      { schema: args.schema, ctx: {}, variables: { ...args.variableValues } },
    );
    return complexity > MAX_COMPLEXITY
      ? limitError('points of complexity', complexity, MAX_COMPLEXITY)
      : null;
  } catch (error) {
    // Variables that do not fit: execution says so in the words of the specification, and runs nothing.
    if (error instanceof GraphQLError) return null;
    throw error;
  }
}
