import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CatalogueRow, ERROR_CATALOGUE } from '../../src/graphql/error-catalogue.ts';
import { ERROR_CODES } from '../../src/graphql/error-codes.ts';
import { isCatalogueCurrent, printErrors } from '../../src/graphql/print-errors.ts';
import { producerOf, SPECIAL_ROWS } from './catalogue-producers.ts';
import { type CatalogueStage, startCatalogueStage } from './catalogue-stage.ts';
import { testOf, WITNESSES } from './catalogue-witnesses.ts';

let stage: CatalogueStage;
beforeAll(async () => {
  stage = await startCatalogueStage();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

const nameOf = ({ area, code }: { area: string; code: string }) => `${area} ${code}`;

/** Whether an answer for one case may say more than the catalogue, such as which mailbox and which command. */
const SPECIFIC = new Set([
  'MAILBOX_NOT_FOUND',
  'MAILBOX_IS_GROUP',
  'ALREADY_CONNECTED',
  'ACCESS_NOT_LIMITED',
]);

/** Whether another test makes it happen. */
const isWitnessed = ({ area, code, microsoftCodes }: CatalogueRow) =>
  area === 'SENDING' && microsoftCodes.length === 0 && Object.hasOwn(WITNESSES, code);

test('every row of the catalogue has something that makes it happen', () => {
  const without = ERROR_CATALOGUE.filter((row) => producerOf(row) === null && !isWitnessed(row));
  expect(without.map(nameOf)).toEqual([]);
});

test.each(Object.entries(WITNESSES))('SENDING %s is demanded by the test that is named', (code, witness) => {
  expect(ERROR_CATALOGUE.filter(isWitnessed).map((row) => row.code)).toContain(code);
  expect(testOf(witness)).toContain(`'${code}'`);
});

test('a test that is not there, or that is about another code, would be seen (a control)', () => {
  const [file] = WITNESSES.DRAFT_DELETED;
  expect(testOf([file, 'no such title'])).toBeNull();
  expect(testOf(WITNESSES.DRAFT_DELETED)).not.toContain(`'FILE_MISSING'`);
});

test('a row that nothing makes happen would be seen (a control)', () => {
  const row = {
    area: 'PUSH' as const,
    code: 'THROTTLED' as const,
    cause: '',
    remedy: '',
    microsoftCodes: ['1'],
  };
  expect(producerOf(row)).toBeNull();
  expect(producerOf({ ...row, area: 'MAILBOX', microsoftCodes: [] })).toBeNull();
});

test('nothing is made to happen that the catalogue does not have', () => {
  const rows = new Set(ERROR_CATALOGUE.map(nameOf));
  expect(SPECIAL_ROWS.filter((name) => !rows.has(name))).toEqual([]);
});

test('each row stands once, with a cause, a remedy and a code of the schema', () => {
  expect(new Set(ERROR_CATALOGUE.map(nameOf)).size).toBe(ERROR_CATALOGUE.length);
  for (const { code, cause, remedy } of ERROR_CATALOGUE) {
    expect(Object.keys(ERROR_CODES)).toContain(code);
    expect(cause).toMatch(/^[A-Z].*\.$/);
    expect(remedy).toMatch(/^[A-Z].*\.$/);
  }
});

test('schema/errors.md is what the code prints', () => {
  expect(isCatalogueCurrent()).toBe(true);
  for (const { code } of ERROR_CATALOGUE) expect(printErrors()).toContain(`### \`${code}\``);
});

const cases = ERROR_CATALOGUE.filter((row) => !isWitnessed(row)).flatMap((row) => {
  // At sign-in every code of Microsoft is tried; elsewhere one of each kind, since the table is the same.
  const codes = ['SIGN_IN', 'MAILBOX', 'SENDING'].includes(row.area)
    ? row.microsoftCodes
    : row.microsoftCodes.slice(0, 1);
  const isGeneral =
    !SPECIAL_ROWS.includes(nameOf(row)) || ['MAILBOX_NOT_FOUND', 'GRAPH_UNAVAILABLE'].includes(row.code);
  return (isGeneral && codes.length > 0 ? codes : ['']).map((microsoftCode) => ({
    name: `${nameOf(row)} ${microsoftCode}`.trim(),
    row,
    microsoftCode,
  }));
});

describe('is produced through the emulator and shown with its remedy', () => {
  test.each(cases)('$name', async ({ row, microsoftCode }) => {
    const shown = await producerOf(row)?.(stage, microsoftCode);
    await stage.fault();
    expect(shown?.code).toBe(row.code);
    if (SPECIFIC.has(row.code)) expect(shown?.remedy).toMatch(/\.$/);
    else expect(shown?.remedy).toBe(row.remedy);
    if (microsoftCode.startsWith('AADSTS') && row.area !== 'REGISTRATION') {
      expect(shown?.microsoftCode).toBe(microsoftCode);
    }
    if (shown?.page !== undefined) {
      expect(shown.page).toContain(row.code);
      expect(
        shown.page.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&'),
      ).toContain(row.remedy);
    }
  });
});
