import { GraphFault } from './graph-fault.ts';
import { type Clause, parseFilter } from './odata-filter.ts';
import { MOST_ITEMS_PER_PAGE } from './prefer.ts';

/** The system query options of a request for messages, checked. */
export interface MessageQuery {
  select: string[] | null;
  top: number | null;
  skip: number;
  filter: Clause[];
  order: 'asc' | 'desc' | null;
  count: boolean;
  /** Ids of the extended properties asked for with `$expand`. */
  extendedProperties: string[];
  expandAttachments: boolean;
}

/** Reads the query options. Throws 400 for what Graph refuses, and for what the emulator does not know. */
export function readMessageQuery(
  query: URLSearchParams,
  isProperty: (name: string) => boolean,
): MessageQuery {
  if (query.has('$search')) throw badQuery('The emulator does not know $search.');
  const filter = query.get('$filter');
  const clauses = filter === null ? [] : parseFilter(filter);
  const order = readOrder(query.get('$orderby'));
  // Microsoft: every $orderby property must stand in $filter, in the same order and before all others.
  if (order !== null && clauses.length > 0 && clauses[0]?.property !== 'receivedDateTime') {
    throw new GraphFault(
      400,
      'InefficientFilter',
      'The restriction or sort order is too complex for this operation.',
    );
  }
  const expand = query.get('$expand') ?? '';
  return {
    select: readSelect(query.get('$select'), isProperty),
    top: readNumber(query, '$top', 1, MOST_ITEMS_PER_PAGE),
    skip: readNumber(query, '$skip', 0, Number.MAX_SAFE_INTEGER) ?? 0,
    filter: clauses,
    order,
    count: query.get('$count') === 'true',
    extendedProperties: [...expand.matchAll(/\bid eq '([^']+)'/g)].map(([, id = '']) => id),
    expandAttachments: /(?:^|,)\s*attachments\b/.test(expand),
  };
}

/** The properties a request selects. Throws 400 for one that the type does not have. */
export function readSelect(value: string | null, isProperty: (name: string) => boolean): string[] | null {
  if (value === null || value.trim() === '') return null;
  const names = value.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!isProperty(name)) {
      throw new GraphFault(400, 'RequestBroker--ParseUri', `Could not find a property named '${name}'.`);
    }
  }
  return names;
}

/** A whole number among the query options; null when absent. Throws 400 when it is none or out of range. */
export function readNumber(query: URLSearchParams, name: string, least: number, most: number): number | null {
  const value = query.get(name);
  if (value === null) return null;
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < least || number > most) {
    throw badQuery(`Invalid value '${value}' for ${name} query option. It must be from ${least} to ${most}.`);
  }
  return number;
}

/** A 400 for a query option. */
export function badQuery(message: string): GraphFault {
  return new GraphFault(400, 'ErrorInvalidUrlQuery', message);
}

function readOrder(value: string | null): 'asc' | 'desc' | null {
  if (value === null) return null;
  const match = /^\s*receivedDateTime(?:\s+(asc|desc))?\s*$/i.exec(value);
  if (match === null) throw badQuery(`The emulator sorts by receivedDateTime only, not by '${value}'.`);
  return match[1]?.toLowerCase() === 'desc' ? 'desc' : 'asc';
}
