/*
 * How a domain offers itself over GraphQL. One file `<domain>/<plural>.graphql.ts`, imported by `graphql/schema.ts` only:
 *
 *   // The entity class is the type's reference: no order of declaration, no imports between *.graphql.ts files.
 *   builder.node(Ticket, {
 *     name: 'Ticket',
 *     description: 'A conversation with one contact.',
 *     authScopes: { permission: 'ticket:read' },             // on every type: streams check it again for each event
 *     id: { resolve: (ticket) => ticket.id },
 *     loadMany: loadByIds(Ticket),                           // makes `node(id:)` work, inside the organization only
 *     fields: (t) => ({
 *       subject: t.exposeString('subject', { description: 'What it is about.' }),
 *       status: t.expose('status', { type: TicketStatusEnum, description: 'Where it stands.' }),
 *       createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was opened.' }),
 *       requester: t.field({ type: Contact, description: 'Who wrote.', resolve: (ticket) => ticket.requester.loadOrFail() }),
 *     }),
 *   });
 *   const TicketStatusEnum = enumType('TicketStatus', 'Where a ticket stands.', { OPEN: 'Somebody …', … });
 *
 *   // Lists: the domain's list function answers `{ edges: [{ cursor, node }], pageInfo }`, which is Relay's connection.
 *   const TicketConnection = connectionType(Ticket, 'Ticket');
 *   builder.queryField('tickets', (t) =>
 *     t.connection({ type: Ticket, description: '…', authScopes: { permission: 'ticket:read' },
 *       args: { filter: t.arg({ type: TicketFilter, description: '…' }) },
 *       resolve: (_root, args, { em }) => listTickets(em, args) }, TicketConnection));
 *
 *   // Mutations: `mutation` in graphql/mutation.ts makes input, payload and result union.
 *
 *   // Subscriptions: `subscribe` yields events with ids and a cursor, `resolve` reads rows with the context of the event.
 *   builder.subscriptionField('ticketCreated', (t) =>
 *     t.field({ type: TicketEvent, description: '…', authScopes: { permission: 'ticket:read' },
 *       subscribe: (_root, args, { actor, services, signal }) => …, resolve: (event) => event }));
 *
 * Ids in arguments are `t.id(…)`/`t.arg.id(…)`, decoded by `decodeId('Ticket', input.ticketId)` in the resolver, so that
 * garbage answers NOT_FOUND like any id that does not exist. Descriptions are mandatory everywhere (a test walks the
 * schema). A resolver is one call: no conditions, no `try`. Errors that a field does not list become top-level errors.
 */
import SchemaBuilder, { type EnumRef } from '@pothos/core';
import ComplexityPlugin from '@pothos/plugin-complexity';
import ErrorsPlugin from '@pothos/plugin-errors';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin, { type AuthFailure, AuthScopeFailureType } from '@pothos/plugin-scope-auth';
import { type GraphQLNamedType, isObjectType } from 'graphql';
import { grants, type Permission } from '../access/permissions.ts';
import type { ExpectedError } from '../errors.ts';
import { SECOND } from '../platform/clock.ts';
import { ForbiddenError, UnauthenticatedError } from './authorization-errors.ts';
import { fieldComplexity } from './complexity.ts';
import type { GraphQLContext } from './context.ts';
import { parseDateTime } from './date-time.ts';
import { ERROR_CODES, errorCodeOf } from './error-codes.ts';
import { encodeGlobalId, parseGlobalId } from './global-id.ts';
import {
  MAX_ALIASES,
  MAX_BODY_BYTES,
  MAX_COMPLEXITY,
  MAX_DEPTH,
  MAX_MESSAGE_BYTES,
  MAX_OPERATIONS_PER_SOCKET,
  MAX_ROOT_FIELDS,
  MAX_STREAMS_PER_KEY,
  MAX_TOKENS,
  OPERATION_TIMEOUT,
} from './limits.ts';

/** What the builder knows about our schema besides its fields. */
export interface SchemaShape {
  Context: GraphQLContext;
  AuthScopes: { authenticated: boolean; permission: Permission };
  DefaultAuthStrategy: 'all';
  DefaultFieldNullability: false;
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
  Scalars: {
    ID: { Input: string; Output: string | number };
    DateTime: { Input: Date; Output: Date };
  };
}

/** What a global id that is not one becomes: an id of no type. */
const NO_ID = { typename: '', id: '' };

/**
 * The one schema builder. The order of the plug-ins matters: with ScopeAuth before Errors a missing permission is a
 * top-level error and never a member of a mutation's result.
 */
export const builder = new SchemaBuilder<SchemaShape>({
  plugins: [ScopeAuthPlugin, ErrorsPlugin, RelayPlugin, ComplexityPlugin],
  defaultFieldNullability: false,
  scopeAuth: {
    // Refuses a stream when it is opened; the scopes on types refuse each event once the permission is gone.
    authorizeOnSubscribe: true,
    defaultStrategy: 'all',
    authScopes: ({ session }) => ({
      authenticated: session !== null,
      permission: (permission) => session !== null && grants(session.role, permission),
    }),
    unauthorizedError: (_parent, { session }, _info, { failure }) => {
      if (session === null) return new UnauthenticatedError();
      return new ForbiddenError(missingPermission(failure));
    },
  },
  errors: {
    directResult: true,
    defaultUnionOptions: {
      name: ({ fieldName }) => `${capitalize(fieldName)}Result`,
      description: 'What was done, or why it was not.',
    },
  },
  relay: {
    cursorType: 'String',
    encodeGlobalID: encodeGlobalId,
    decodeGlobalID: (globalId) => parseGlobalId(globalId) ?? NO_ID,
    idFieldOptions: { description: 'The opaque id of this object, unique over all types.' },
    nodeTypeOptions: { description: 'Anything that has an id and can be read again by it.' },
    nodeQueryOptions: {
      description:
        'Reads anything by its id; null when the id does not exist or belongs to another organization.',
      args: { id: { description: 'The id, as an earlier answer gave it.' } },
      resolve: (_root, { id }, _context, info, resolveNode) =>
        isNodeType(info.schema.getType(id.typename)) ? resolveNode(id) : null,
    },
    nodesQueryOptions: false,
    pageInfoTypeOptions: { description: 'Where a page lies in its list.' },
    hasNextPageFieldOptions: { description: 'Whether there is more after this page.', nullable: false },
    hasPreviousPageFieldOptions: { description: 'Whether there is more before this page.', nullable: false },
    startCursorFieldOptions: { description: 'The cursor of the first entry; null on an empty page.' },
    endCursorFieldOptions: { description: 'The cursor of the last entry; null on an empty page.' },
    cursorFieldOptions: { description: 'Where this entry lies in the list; for "after" and "before".' },
    nodeFieldOptions: { description: 'The entry itself.', nullable: false },
    edgesFieldOptions: { description: 'The entries of this page, with their cursors.', nullable: false },
    pageInfoFieldOptions: { description: 'Where this page lies in the list.' },
    firstArgOptions: {
      description: 'How many entries from the start, at most 100; 20 when neither is given.',
    },
    afterArgOptions: { description: 'Only entries after this cursor.' },
    lastArgOptions: { description: 'How many entries from the end, at most 100. Not together with "first".' },
    beforeArgOptions: { description: 'Only entries before this cursor.' },
  },
  complexity: { disabled: true, fieldComplexity },
});

builder.queryType({
  description:
    'Everything that can be read. An operation may have at most ' +
    `${MAX_DEPTH} levels of fields, ${MAX_COMPLEXITY} points of complexity (a field costs one, times the sizes of the pages ` +
    `around it), ${MAX_ROOT_FIELDS} root fields, ${MAX_ALIASES} aliases and ${MAX_TOKENS} tokens, and load ` +
    `${MAX_MESSAGE_BYTES} bytes of message bodies; a request ${MAX_BODY_BYTES} bytes and ${OPERATION_TIMEOUT / SECOND} seconds.`,
  authScopes: { authenticated: true },
});
builder.mutationType({ description: 'Everything that can be done.', authScopes: { authenticated: true } });
builder.subscriptionType({
  description:
    'Everything that can be listened to. Each event has a cursor; "after" resumes: what was missed comes first, in order. ' +
    `One WebSocket runs at most ${MAX_OPERATIONS_PER_SOCKET} operations; one API key holds at most ${MAX_STREAMS_PER_KEY} WebSockets and event streams.`,
  authScopes: { authenticated: true },
});

builder.scalarType('DateTime', {
  description: 'An instant in UTC as RFC 3339 writes it, such as 2026-11-21T09:30:00.000Z.',
  serialize: (instant) => instant.toISOString(),
  parseValue: parseDateTime,
});

/** The codes that errors carry. */
export const ErrorCodeEnum = enumType(
  'ErrorCode',
  'What went wrong, for programs. Codes never change their meaning.',
  ERROR_CODES,
);

/** What every error of a mutation's result implements. */
export const ErrorInterface = builder.interfaceRef<ExpectedError>('Error').implement({
  description: 'Why something was not done, and what the caller can do about it.',
  fields: (t) => ({
    code: t.field({
      type: ErrorCodeEnum,
      description: 'For programs.',
      resolve: ({ code }) => errorCodeOf(code),
    }),
    message: t.exposeString('message', { description: 'For people: what went wrong.' }),
    remedy: t.exposeString('remedy', { description: 'For people: what to do about it.' }),
  }),
});

/** Offers an expected error as a type of its own, so that mutations can list its class in `errors`. */
export function errorType(errorClass: new (...args: never[]) => ExpectedError, description: string): void {
  builder.objectType(errorClass as new (...args: unknown[]) => ExpectedError, {
    name: errorClass.name,
    description,
    interfaces: [ErrorInterface],
  });
}

/** An enum from a record of its values and their descriptions; the record must name every value of the TypeScript union. */
export function enumType<const Value extends string>(
  name: string,
  description: string,
  values: Readonly<Record<Value, string>>,
): EnumRef<SchemaTypes, Value> {
  const described = Object.entries<string>(values).map(([value, text]) => [value, { description: text }]);
  return builder.enumType(name, { description, values: Object.fromEntries(described) }) as unknown as EnumRef<
    SchemaTypes,
    Value
  >;
}

/** The types of the schema, for helpers that take parts of it. */
export type SchemaTypes = typeof builder.$inferSchemaTypes;

function isNodeType(type: GraphQLNamedType | undefined): boolean {
  return isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node');
}

function capitalize(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** The permission that was asked for in vain; null when the scope was something else. */
function missingPermission(failure: AuthFailure): string | null {
  if (failure.kind === AuthScopeFailureType.AuthScope) {
    return failure.scope === 'permission' ? String(failure.parameter) : null;
  }
  const inner = 'failures' in failure ? failure.failures : [];
  return inner.map(missingPermission).find((permission) => permission !== null) ?? null;
}
