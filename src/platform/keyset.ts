import type { EntityClass, EntityKey, FilterQuery, OrderDefinition } from '@mikro-orm/core';
import { z } from 'zod';
import { ExpectedError, InvalidInputError } from '../errors.ts';
import type { EntityManager } from './database.ts';

/** The longest page, and the usual one. */
export const MAX_PAGE_SIZE = 100;
export const DEFAULT_PAGE_SIZE = 20;

/** Which page of a list, as the Relay cursor connections specification has it. */
export interface PageArguments {
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}

/** A page: exactly Relay's connection. */
export interface Page<Node> {
  edges: { cursor: string; node: Node }[];
  pageInfo: {
    hasNextPage: boolean;
    hasPreviousPage: boolean;
    startCursor: string | null;
    endCursor: string | null;
  };
}

/** A column to order by, together with the id that makes the order total. The column is never null. */
export interface KeysetOrder<Entity> {
  key: keyof Entity & string;
  direction: 'asc' | 'desc';
}

/** The cursor is not one of this list: damaged, or made under another order. */
export class InvalidCursorError extends ExpectedError {
  constructor() {
    super(
      'INVALID_CURSOR',
      'The cursor is not one of this list.',
      'Take cursors from an earlier page of the same list.',
    );
  }
}

/** A row that a cursor can point at. */
export interface Identified {
  id: string;
}

/**
 * Finds one page by keyset: the cursor holds the values of the last row, and the next page begins behind them. A page
 * costs the same wherever it lies (given an index on organization, key and id), and rows that come or go meanwhile
 * neither repeat nor hide others; an offset would do both. One statement.
 *
 * Throws {@link InvalidCursorError}, and InvalidInputError when the page is longer than 100 or has two ends.
 */
export async function findPage<Entity extends Identified>(
  em: EntityManager,
  entity: EntityClass<Entity>,
  where: FilterQuery<Entity>,
  order: KeysetOrder<Entity>,
  args: PageArguments,
): Promise<Page<Entity>> {
  const window = pageWindow(em, entity, order, args);
  const found = await em.find(entity, { $and: [where, ...window.conditions] } as FilterQuery<Entity>, {
    orderBy: window.orderBy,
    limit: window.limit,
  });
  return toPage(found as Entity[], order, args);
}

/** Which rows of a list a page is made from, as parts of a query. */
export interface PageWindow<Entity> {
  conditions: FilterQuery<Entity>[];
  /** From the end that the page is counted from. */
  orderBy: OrderDefinition<Entity>;
  /** One more than asked for: it tells whether there is more. */
  limit: number;
}

/** The window of a page. Throws as {@link findPage} does. */
export function pageWindow<Entity extends Identified>(
  em: EntityManager,
  entity: EntityClass<Entity>,
  order: KeysetOrder<Entity>,
  args: PageArguments,
): PageWindow<Entity> {
  const { size, isBackward } = pageSize(args);
  const conditions: FilterQuery<Entity>[] = [];
  const kind = kindOf(em.getMetadata(entity).properties[order.key as EntityKey<Entity>].runtimeType);
  if (args.after) conditions.push(beyond(order, kind, args.after, 'after') as FilterQuery<Entity>);
  if (args.before) conditions.push(beyond(order, kind, args.before, 'before') as FilterQuery<Entity>);
  const direction = isBackward ? opposite(order.direction) : order.direction;
  return {
    conditions,
    orderBy: [{ [order.key]: direction }, { id: direction }] as unknown as OrderDefinition<Entity>,
    limit: size + 1,
  };
}

/** The page that the rows of a {@link PageWindow}, in its order, make. */
export function toPage<Entity extends Identified>(
  found: readonly Entity[],
  order: KeysetOrder<Entity>,
  args: PageArguments,
): Page<Entity> {
  const { size, isBackward } = pageSize(args);
  const hasMore = found.length > size;
  const rows = found.slice(0, size);
  if (isBackward) rows.reverse();
  const edges = rows.map((node) => ({ cursor: encodeCursor(order, node), node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: isBackward ? Boolean(args.before) : hasMore,
      hasPreviousPage: isBackward ? hasMore : Boolean(args.after),
      startCursor: edges.at(0)?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

function pageSize({ first, last }: PageArguments): { size: number; isBackward: boolean } {
  if (typeof first === 'number' && typeof last === 'number') {
    throw new InvalidInputError('last', 'A page is counted from one end.', 'Give either "first" or "last".');
  }
  const field = typeof last === 'number' ? 'last' : 'first';
  const size = last ?? first ?? DEFAULT_PAGE_SIZE;
  if (!Number.isInteger(size) || size < 0 || size > MAX_PAGE_SIZE) {
    throw new InvalidInputError(
      field,
      `"${field}" must be between 0 and ${MAX_PAGE_SIZE}.`,
      `Ask for at most ${MAX_PAGE_SIZE} entries and read on with a cursor.`,
    );
  }
  return { size, isBackward: field === 'last' };
}

/** Rows strictly beyond a cursor. The plain bound on the key comes first: it is what lets the index start there. */
function beyond<Entity>(
  order: KeysetOrder<Entity>,
  kind: ValueKind,
  cursor: string,
  side: 'after' | 'before',
): object {
  const { value, id } = decodeCursor(order, kind, cursor);
  const isUp = (order.direction === 'asc') === (side === 'after');
  return {
    [order.key]: isUp ? { $gte: value } : { $lte: value },
    $or: [{ [order.key]: isUp ? { $gt: value } : { $lt: value } }, { id: isUp ? { $gt: id } : { $lt: id } }],
  };
}

/** What a cursor holds: a date, a number or a string. */
type ValueKind = 'd' | 'n' | 's';

function kindOf(runtimeType: string): ValueKind {
  if (runtimeType === 'Date') return 'd';
  return runtimeType === 'number' ? 'n' : 's';
}

const cursorShape = z.tuple([
  z.string(),
  z.enum(['d', 'n', 's']),
  z.union([z.string(), z.number()]),
  z.uuid(),
]);

function encodeCursor<Entity extends Identified>(order: KeysetOrder<Entity>, row: Entity): string {
  const value: unknown = row[order.key];
  const parts =
    value instanceof Date
      ? ['d', value.toISOString()]
      : typeof value === 'number'
        ? ['n', value]
        : ['s', String(value)];
  return Buffer.from(JSON.stringify([`${order.key} ${order.direction}`, ...parts, row.id])).toString(
    'base64url',
  );
}

function decodeCursor<Entity>(
  order: KeysetOrder<Entity>,
  expectedKind: ValueKind,
  cursor: string,
): { value: Date | number | string; id: string } {
  const parsed = cursorShape.safeParse(parseJson(cursor));
  if (!parsed.success) throw new InvalidCursorError();
  const [name, kind, raw, id] = parsed.data;
  const isOurs = name === `${order.key} ${order.direction}` && kind === expectedKind;
  if (!isOurs || !isStorable(kind, raw)) throw new InvalidCursorError();
  return { value: kind === 'd' ? new Date(raw) : raw, id };
}

/** Whether PostgreSQL takes the value: a forged cursor must be refused here and not fail there. */
function isStorable(kind: ValueKind, raw: string | number): boolean {
  if (kind === 'n') return Number.isSafeInteger(raw);
  if (typeof raw !== 'string') return false;
  if (kind === 's') return !raw.includes('\u0000') && raw.isWellFormed();
  return /^(?!0000)\d{4}-.*Z$/.test(raw) && !Number.isNaN(Date.parse(raw)); // years that both sides understand
}

function parseJson(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

function opposite(direction: 'asc' | 'desc'): 'asc' | 'desc' {
  return direction === 'asc' ? 'desc' : 'asc';
}
