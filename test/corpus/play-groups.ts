import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';
import { readCases } from './corpus-case.ts';
import { playCase } from './harness.ts';

/**
 * Which file of tests plays which groups. Cases compute more than they wait: in several files they have a processor each,
 * and none of them is left to run alone at the end of all tests. Keep them about equally long.
 */
export const PARTS = {
  'content.test.ts': ['attachments', 'bodies', 'charsets', 'invitations'],
  'people.test.ts': ['processing', 'protected', 'rules', 'threading'],
  'machines.test.ts': ['bounces', 'machines', 'quotes'],
} as const satisfies Record<string, readonly string[]>;

/** Makes a test of each case of the groups, and prints how many were right. Once per file. */
export function playGroups(names: readonly string[]): void {
  let app: TestApp;
  const groups = Map.groupBy(
    readCases().filter(({ group }) => names.includes(group)),
    ({ group }) => group,
  );
  const right = new Map<string, number>();

  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(async () => {
    process.stdout.write(`\n${table()}\n`);
    await app?.[Symbol.asyncDispose]();
  });

  for (const [group, cases] of groups) {
    describe(group, { concurrent: true }, () => {
      for (const one of cases) {
        test(`${group}: ${one.purpose} (${one.name})`, async () => {
          expect(await playCase(app, one)).toEqual([]);
          right.set(group, (right.get(group) ?? 0) + 1);
        }, 120_000); // two of ten megabytes share the process with whatever else is delivered
      }
    });
  }

  /** What the closing note of the issue asks for. */
  function table(): string {
    const rows = [...groups].map(([group, cases]) => [group, cases.length, right.get(group) ?? 0] as const);
    const sum = (column: 1 | 2) => rows.reduce((total, row) => total + row[column], 0);
    return [['group', 'count', 'right'] as const, ...rows, ['all', sum(1), sum(2)] as const]
      .map(
        ([group, count, good]) =>
          `${group.padEnd(14)}${String(count).padStart(6)}${String(good).padStart(7)}`,
      )
      .join('\n');
  }
}
