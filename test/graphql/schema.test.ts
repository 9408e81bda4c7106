import { globSync, readFileSync } from 'node:fs';
import {
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isUnionType,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { isContractCurrent } from '../../src/graphql/print-schema.ts';
import { schema } from '../../src/graphql/schema.ts';

const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));

/** Every thing of the schema that somebody may want to look up, by its path. */
function* documented(): Generator<[path: string, description: string | null | undefined]> {
  for (const type of types) {
    yield [type.name, type.description];
    if (isEnumType(type)) {
      for (const value of type.getValues()) yield [`${type.name}.${value.name}`, value.description];
    }
    if (isInputObjectType(type) || isObjectType(type) || isInterfaceType(type)) {
      for (const field of Object.values(type.getFields())) {
        yield [`${type.name}.${field.name}`, field.description];
        for (const argument of 'args' in field ? field.args : []) {
          yield [`${type.name}.${field.name}(${argument.name}:)`, argument.description];
        }
      }
    }
  }
}

test('every type, field, argument, input field and enum value has a description', () => {
  const all = [...documented()];
  expect(all.length).toBeGreaterThan(100);
  expect(all.filter(([, description]) => !description?.trim()).map(([path]) => path)).toEqual([]);
});

test('schema/schema.graphql is what the code says (npm run schema)', () => {
  expect(isContractCurrent()).toBe(true);
});

test('every *.graphql.ts is part of the schema', () => {
  const imports = readFileSync('src/graphql/schema.ts', 'utf8');
  const forgotten = globSync('src/**/*.graphql.ts').filter(
    (file) => !imports.includes(file.replace('src/graphql/', './').replace('src/', '../')),
  );
  expect(forgotten).toEqual([]);
});

/** The scopes that a type demands, as its domain declared them. */
function scopesOf(typeName: string): unknown {
  const options = schema.getType(typeName)?.extensions?.['pothosOptions'] as
    | { authScopes?: unknown }
    | undefined;
  return options?.authScopes;
}

describe('permissions', () => {
  // test/server/streams.test.ts shows what happens without.
  test('every type that a subscription brings carries a scope, so that each event is checked', () => {
    const streamed = Object.values(schema.getSubscriptionType()?.getFields() ?? {}).map(
      ({ type }) => getNamedType(type).name,
    );
    expect(streamed.filter((name) => scopesOf(name) === undefined)).toEqual([]);
  });

  test('every node carries a scope, so that node(id:) gives nobody more than the lists do', () => {
    const nodes = types.filter(
      (type) => isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node'),
    );
    expect(nodes.filter(({ name }) => scopesOf(name) === undefined).map(({ name }) => name)).toEqual([]);
  });

  test('the root types demand credentials', () => {
    expect(['Query', 'Mutation', 'Subscription'].map(scopesOf)).toEqual(
      Array(3).fill({ authenticated: true }),
    );
  });
});

describe('the form of the contract', () => {
  const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});

  test('every mutation takes one input and answers a union of its payload and typed errors', () => {
    const odd = mutations.filter(({ name, args, type }) => {
      const result = getNamedType(type);
      const capitalized = name.charAt(0).toUpperCase() + name.slice(1);
      return (
        args.length !== 1 ||
        String(args[0]?.type) !== `${capitalized}Input!` ||
        !isUnionType(result) ||
        !result
          .getTypes()
          .every((member) =>
            member.name === `${capitalized}Payload`
              ? true
              : member.getInterfaces().some(({ name }) => name === 'Error'),
          )
      );
    });
    expect(odd.map(({ name }) => name)).toEqual([]);
  });

  test('every list of nodes is a connection with first, after, last and before', () => {
    const fields = types
      .filter(isObjectType)
      .flatMap((type) =>
        Object.values(type.getFields()).map((field) => ({ path: `${type.name}.${field.name}`, field })),
      );
    const connections = fields.filter(({ field }) => getNamedType(field.type).name.endsWith('Connection'));
    const incomplete = connections.filter(
      ({ field }) =>
        !['first', 'after', 'last', 'before'].every((name) => field.args.some((arg) => arg.name === name)),
    );
    expect(incomplete.map(({ path }) => path)).toEqual([]);
  });
});
