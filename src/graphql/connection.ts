import type { OutputType } from '@pothos/core';
import { builder, type SchemaTypes } from './builder.ts';

/**
 * The Relay connection of one node type, shared by every field that lists it: `connectionType(Ticket, 'Ticket')` makes
 * `TicketConnection` and `TicketEdge`. Pass it as the second argument of `t.connection`.
 */
export function connectionType<Type extends OutputType<SchemaTypes>>(type: Type, name: string) {
  return builder.connectionObject(
    { type, name: `${name}Connection`, description: `A page of a list of ${name}.` },
    { name: `${name}Edge`, description: `One ${name} of a page, with its place in the list.` },
  );
}
