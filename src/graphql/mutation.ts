import type {
  InputFieldBuilder,
  InputFieldMap,
  InputShapeFromFields,
  MaybePromise,
  ShapeFromTypeParam,
  TypeParam,
} from '@pothos/core';
import type { Permission } from '../access/permissions.ts';
import type { ExpectedError } from '../errors.ts';
import { builder, type SchemaTypes } from './builder.ts';
import type { GraphQLContext } from './context.ts';

/** One field of a mutation's payload. */
interface PayloadField {
  type: TypeParam<SchemaTypes>;
  description: string;
  nullable?: boolean;
}

type PayloadShape<Fields extends Record<string, PayloadField>> = {
  [Name in keyof Fields]: ShapeFromTypeParam<
    SchemaTypes,
    Fields[Name]['type'],
    Fields[Name]['nullable'] extends true ? true : false
  >;
};

/** What {@link mutation} declares. */
interface MutationOptions<Input extends InputFieldMap, Fields extends Record<string, PayloadField>> {
  description: string;
  permission: Permission;
  /** The fields of `<Name>Input`. */
  input: (t: InputFieldBuilder<SchemaTypes, 'InputObject'>) => Input;
  /** The fields of `<Name>Payload`. */
  payload: Fields;
  /** Expected outcomes that become members of `<Name>Result`; each must be offered with `errorType`. */
  errors: (new (
    ...args: never[]
  ) => ExpectedError)[];
  resolve: (
    input: InputShapeFromFields<Input>,
    context: GraphQLContext,
  ) => MaybePromise<PayloadShape<Fields>>;
}

/**
 * Declares a mutation in our one form: `name(input: <Name>Input!): <Name>Result!`, a union of `<Name>Payload` and the
 * errors it lists. Without the permission it answers a top-level FORBIDDEN.
 *
 *   mutation('closeTicket', {
 *     description: 'Closes a ticket.',
 *     permission: 'ticket:update',
 *     input: (t) => ({ ticketId: t.id({ required: true, description: 'Which ticket.' }) }),
 *     payload: { ticket: { type: Ticket, description: 'The ticket, closed.' } },
 *     errors: [NotFoundError, TicketAlreadyClosedError],
 *     resolve: async ({ ticketId }, { em }) => ({ ticket: await closeTicket(em, decodeId('Ticket', ticketId)) }),
 *   });
 */
export function mutation<Input extends InputFieldMap, const Fields extends Record<string, PayloadField>>(
  name: string,
  { description, permission, input, payload, errors, resolve }: MutationOptions<Input, Fields>,
): void {
  const typeName = name.charAt(0).toUpperCase() + name.slice(1);
  const inputType = builder.inputType(`${typeName}Input`, {
    description: `The input of "${name}".`,
    fields: input,
  });
  const payloadType = builder.objectRef<PayloadShape<Fields>>(`${typeName}Payload`).implement({
    description: `What "${name}" did.`,
    fields: (t) =>
      Object.fromEntries(
        Object.entries(payload).map(([field, { type, description, nullable = false }]) => [
          field,
          t.field({ type, description, nullable, resolve: (parent) => parent[field] as never }),
        ]),
      ),
  });
  builder.mutationField(name, (t) =>
    t.field({
      type: payloadType,
      description,
      authScopes: { permission },
      args: { input: t.arg({ type: inputType, required: true, description: 'What to do, and with what.' }) },
      errors: { types: errors as (new (...args: unknown[]) => ExpectedError)[] },
      // Pothos cannot see through our own generics here; the options above are what ties input and payload together.
      resolve: ((_root: unknown, args: { input: InputShapeFromFields<Input> }, context: GraphQLContext) =>
        resolve(args.input, context)) as never,
    }),
  );
}
