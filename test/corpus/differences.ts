type Json = string | number | boolean | null | undefined | readonly Json[] | { readonly [key: string]: Json };

/** Endings of a key that say how its value is compared with the field that the rest of the key names. */
const COMPARISONS: Record<string, (actual: Json, wanted: string) => boolean> = {
  Contains: (actual, wanted) => typeof actual === 'string' && actual.includes(wanted),
  Lacks: (actual, wanted) => actual == null || (typeof actual === 'string' && !actual.includes(wanted)),
  Matches: (actual, wanted) => typeof actual === 'string' && new RegExp(wanted, 'u').test(actual),
};

/**
 * Where `actual` is not what was expected, each with its place. Objects may have more than is expected of them, lists may
 * not. `textContains`, `textLacks` and `textMatches` look into the field `text`; a string is compared with the
 * `emailAddress` of a person and with the `number` of a ticket (`"#2"`).
 */
export function differences(expected: Json, actual: Json, place = ''): string[] {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return [`${place}: not a list but ${shown(actual)}`];
    const count = `${place}: ${actual.length} instead of ${expected.length}: ${shown(actual)}`;
    const inside = expected.flatMap((one: Json, index) =>
      index < actual.length ? differences(one, actual[index], `${place}[${index}]`) : [],
    );
    return expected.length === actual.length ? inside : [count, ...inside];
  }
  if (isObject(expected)) {
    if (!isObject(actual)) return [`${place}: not an object but ${shown(actual)}`];
    return Object.entries(expected).flatMap(([key, wanted]) => ofField(key, wanted, actual, place));
  }
  if (typeof expected === 'string' && isObject(actual)) {
    if ('emailAddress' in actual) return differences(expected, actual['emailAddress'], place);
    if ('number' in actual) return differences(expected, `#${String(actual['number'])}`, place);
  }
  return expected === actual ? [] : [`${place}: ${shown(actual)} instead of ${shown(expected)}`];
}

function ofField(
  key: string,
  wanted: Json,
  actual: { readonly [key: string]: Json },
  place: string,
): string[] {
  const inside = `${place}.${key}`;
  if (key in actual) return differences(wanted, actual[key], inside);
  const [, field = '', ending = ''] = /^(\w+?)(Contains|Lacks|Matches)$/.exec(key) ?? [];
  const compare = COMPARISONS[ending];
  if (compare === undefined || !(field in actual)) return [`${inside}: there is no such field`];
  return [wanted]
    .flat()
    .flatMap((one) =>
      typeof one === 'string' && compare(actual[field], one)
        ? []
        : [`${inside}: ${shown(one)} fails for ${shown(actual[field])}`],
    );
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: Json): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 600);
}
