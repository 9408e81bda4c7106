import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERROR_CODES, errorCodeOf, STARTUP_ERROR_CODES } from '../../src/graphql/error-codes.ts';

/** Where an error's code is written down: as the first argument of an error, in an object, or as the key of a table. */
const PLACES = [/(?:super|new \w*Error)\(\s*'([A-Z][A-Z0-9_]{2,})'/g, /\bcode: '([A-Z][A-Z0-9_]{2,})'/g];

const sources = globSync('src/**/*.ts', { exclude: ['src/emulator/**', 'src/graphql/error-codes.ts'] }).map(
  (file) => ({
    file,
    text: readFileSync(file, 'utf8'),
  }),
);

function writtenCodes(): Map<string, string> {
  const codes = new Map<string, string>();
  for (const { file, text } of sources) {
    for (const place of PLACES) {
      for (const [, code = ''] of text.matchAll(place)) codes.set(code, file);
    }
  }
  return codes;
}

test('every code that the source writes is in the catalogue', () => {
  const missing = [...writtenCodes()].filter(
    ([code]) => !(code in ERROR_CODES) && !(code in STARTUP_ERROR_CODES),
  );
  expect(missing).toEqual([]);
});

test('every code of the catalogue is written somewhere in the source', () => {
  const everything = sources.map(({ text }) => text).join('\n');
  // GraphQL's libraries write this one.
  const unused = Object.keys(ERROR_CODES).filter(
    (code) => code !== 'GRAPHQL_VALIDATION_FAILED' && !new RegExp(`\\b${code}\\b`).test(everything),
  );
  expect(unused).toEqual([]);
});

test('the search does find codes (a control of the two tests above)', () => {
  expect(writtenCodes().get('NOT_FOUND')).toBeDefined();
  expect(writtenCodes().size).toBeGreaterThan(20);
});

test('a stored problem with a code of another version is shown as unexpected', () => {
  expect(errorCodeOf('FROM_ANOTHER_VERSION')).toBe('INTERNAL_SERVER_ERROR');
  expect(errorCodeOf('toString')).toBe('INTERNAL_SERVER_ERROR');
  expect(errorCodeOf('NOT_FOUND')).toBe('NOT_FOUND');
});
