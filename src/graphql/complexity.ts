import { type GraphQLField, getNamedType, isListType, isNonNullType } from 'graphql';

/** How many entries a page has when the query does not say. */
export const DEFAULT_PAGE_SIZE = 20;
/** The most entries a page may have. */
export const MAX_PAGE_SIZE = 100;
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
