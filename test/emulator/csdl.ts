import { readFileSync } from 'node:fs';

/** Microsoft's metadata, as far as these tests need it: property names by type, enum members by type. */
export interface Csdl {
  /** Property and navigation property names of a type and of what it derives from, with their types. */
  propertiesOf(type: string): ReadonlyMap<string, string>;
  membersOf(enumType: string): readonly string[] | undefined;
}

/** Reads the CSDL with the little that its regular form needs. */
export function readCsdl(): Csdl {
  const xml = readFileSync(new URL('../fixtures/graph-v1.0-mail.csdl.xml', import.meta.url), 'utf8');
  const types = new Map<string, { base: string | null; properties: Map<string, string> }>();
  for (const [, tag = '', rest = ''] of xml.matchAll(
    /<((?:Entity|Complex)Type [^>]*[^/])>([\s\S]*?)<\/(?:Entity|Complex)Type>/g,
  )) {
    const properties = new Map<string, string>();
    for (const [, property = ''] of rest.matchAll(/<((?:Navigation)?Property [^>]*)>/g)) {
      properties.set(attribute(property, 'Name') ?? '', attribute(property, 'Type') ?? '');
    }
    types.set(attribute(tag, 'Name') ?? '', {
      base: attribute(tag, 'BaseType')?.replace('graph.', '') ?? null,
      properties,
    });
  }
  const enums = new Map<string, string[]>();
  for (const [, name = '', members = ''] of xml.matchAll(/<EnumType Name="(\w+)">([\s\S]*?)<\/EnumType>/g)) {
    enums.set(
      name,
      [...members.matchAll(/Member Name="(\w+)"/g)].map(([, member = '']) => member),
    );
  }
  const propertiesOf = (name: string): Map<string, string> => {
    // `graph.entity` is not in the extract: it has an id and nothing else.
    if (name === 'entity') return new Map([['id', 'Edm.String']]);
    // Nor are these; nothing that only they have is given.
    if (name === 'eventMessageRequest' || name === 'eventMessageResponse')
      return propertiesOf('eventMessage');
    if (name === 'location')
      return new Map(['displayName', 'locationType'].map((one) => [one, 'Edm.String']));
    const type = types.get(name);
    if (type === undefined) throw new Error(`The CSDL has no type ${name}.`);
    return new Map([...(type.base === null ? [] : propertiesOf(type.base)), ...type.properties]);
  };
  return { propertiesOf, membersOf: (name) => enums.get(name) };
}

/** Every place where JSON has a property the type does not, or a value the enum does not. Annotations are OData's own. */
export function deviations(csdl: Csdl, type: string, json: unknown, path = type): string[] {
  if (json === null || json === undefined) return [];
  const collection = /^Collection\((.+)\)$/.exec(type);
  if (collection !== null) {
    if (!Array.isArray(json)) return [`${path} is no collection`];
    return json.flatMap((item, index) => deviations(csdl, collection[1] ?? '', item, `${path}[${index}]`));
  }
  const members = csdl.membersOf(type.replace('graph.', ''));
  if (members !== undefined) return members.includes(String(json)) ? [] : [`${path} is ${String(json)}`];
  if (!type.startsWith('graph.') || typeof json !== 'object') return [];
  let name = type.replace('graph.', '');
  if ('@odata.type' in json) name = String(json['@odata.type']).replace('#microsoft.graph.', '');
  if (name === 'followupFlag') return flagDeviations(json, path);
  const properties = csdl.propertiesOf(name);
  return Object.entries(json).flatMap(([property, value]) => {
    if (property.startsWith('@')) return [];
    const declared = properties.get(property);
    return declared === undefined
      ? [`${path}.${property} is unknown`]
      : deviations(csdl, declared, value, `${path}.${property}`);
  });
}

/** `followupFlagStatus` is not in the extract; its members are these. */
function flagDeviations(json: object, path: string): string[] {
  const status = 'flagStatus' in json ? String(json.flagStatus) : '';
  return ['notFlagged', 'complete', 'flagged'].includes(status) ? [] : [`${path}.flagStatus is ${status}`];
}

function attribute(tag: string, name: string): string | undefined {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
}
