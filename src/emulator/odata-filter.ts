import { GraphFault } from './graph-fault.ts';
import type { StoredMessage } from './mailbox.ts';
import { extendedPropertyOf } from './message-view.ts';

/** One comparison of a `$filter`; all of them must hold. */
export interface Clause {
  property: string;
  operator: 'eq' | 'ne' | 'ge' | 'gt' | 'le' | 'lt';
  /** Instants as milliseconds since 1970. */
  value: string | number | boolean | null;
  /** The id of the extended property, when `property` is `singleValueExtendedProperties`. */
  extendedPropertyId?: string;
}

const EXTENDED =
  /^singleValueExtendedProperties\/any\(\s*(\w+)\s*:\s*\1\/id eq '((?:[^']|'')*)' and \1\/value (eq|ne) '((?:[^']|'')*)'\s*\)$/i;
const COMPARISON = /^([A-Za-z/]+) (eq|ne|ge|gt|le|lt) (.+)$/;

/** What may be compared, and how to read it from a message. */
const READERS: Readonly<Record<string, (message: StoredMessage) => string | number | boolean>> = {
  receivedDateTime: (message) => message.receivedAt,
  sentDateTime: (message) => message.sentAt,
  createdDateTime: (message) => message.createdAt,
  lastModifiedDateTime: (message) => message.modifiedAt,
  isRead: (message) => message.isRead,
  isDraft: (message) => message.isDraft,
  hasAttachments: (message) => message.attachments.some((attachment) => !attachment.isInline),
  internetMessageId: (message) => message.internetMessageId,
  conversationId: (message) => message.conversationId,
  subject: (message) => message.subject,
  importance: (message) => message.importance,
  'from/emailAddress/address': (message) => message.from?.address ?? '',
};

/** Reads a `$filter` of comparisons joined by `and`. Throws 400 for anything else. */
export function parseFilter(filter: string): Clause[] {
  return splitByAnd(filter).map(parseClause);
}

/** Whether a message meets every clause. */
export function meetsFilter(message: StoredMessage, clauses: readonly Clause[]): boolean {
  return clauses.every((clause) => meetsClause(message, clause));
}

function meetsClause(message: StoredMessage, clause: Clause): boolean {
  const actual =
    clause.extendedPropertyId === undefined
      ? READERS[clause.property]?.(message)
      : extendedPropertyOf(message, clause.extendedPropertyId);
  const wanted = clause.value;
  if (clause.operator === 'eq') return sameValue(actual, wanted);
  if (clause.operator === 'ne') return !sameValue(actual, wanted);
  if (typeof actual !== 'number' || typeof wanted !== 'number') return false;
  switch (clause.operator) {
    case 'ge':
      return actual >= wanted;
    case 'gt':
      return actual > wanted;
    case 'le':
      return actual <= wanted;
    case 'lt':
      return actual < wanted;
  }
}

function sameValue(actual: unknown, wanted: unknown): boolean {
  return typeof actual === 'string' && typeof wanted === 'string'
    ? actual.toLowerCase() === wanted.toLowerCase()
    : actual === wanted;
}

function parseClause(text: string): Clause {
  const extended = EXTENDED.exec(text);
  if (extended !== null) {
    const [, , id = '', operator, value = ''] = extended;
    return {
      property: 'singleValueExtendedProperties',
      operator: operator === 'ne' ? 'ne' : 'eq',
      value: value.replaceAll("''", "'"),
      extendedPropertyId: id.replaceAll("''", "'"),
    };
  }
  const [, property = '', operator, literal = ''] = COMPARISON.exec(text) ?? [];
  if (READERS[property] === undefined || !isOperator(operator)) throw invalidFilter(text);
  return { property, operator, value: readLiteral(property, literal.trim(), text) };
}

function readLiteral(property: string, literal: string, clause: string): Clause['value'] {
  if (property.endsWith('DateTime')) {
    const instant = Date.parse(literal);
    if (Number.isNaN(instant) || !/^\d{4}-\d\d-\d\d/.test(literal)) throw invalidFilter(clause);
    return instant;
  }
  if (literal === 'true') return true;
  if (literal === 'false') return false;
  if (literal === 'null') return null;
  if (!/^'(?:[^']|'')*'$/.test(literal)) throw invalidFilter(clause);
  return literal.slice(1, -1).replaceAll("''", "'");
}

function isOperator(text: string | undefined): text is Clause['operator'] {
  return text !== undefined && ['eq', 'ne', 'ge', 'gt', 'le', 'lt'].includes(text);
}

/** Splits at ` and ` outside of quotes and parentheses. */
function splitByAnd(filter: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quoted = false;
  let start = 0;
  for (let at = 0; at < filter.length; at += 1) {
    const character = filter[at];
    if (character === "'") quoted = !quoted;
    if (quoted) continue;
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth === 0 && /^ and /i.test(filter.slice(at, at + 5))) {
      parts.push(filter.slice(start, at).trim());
      start = at + 5;
      at += 4;
    }
  }
  parts.push(filter.slice(start).trim());
  return parts.map((part) => (/^\((?!.*\).*\().*\)$/.test(part) ? part.slice(1, -1).trim() : part));
}

function invalidFilter(clause: string): GraphFault {
  return new GraphFault(
    400,
    'ErrorInvalidUrlQueryFilter',
    `The query filter contains one or more invalid nodes: ${clause}`,
  );
}
