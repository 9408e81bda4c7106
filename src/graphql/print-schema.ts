/* `npm run schema` writes schema/schema.graphql; `npm run schema -- --check` only says whether it is current. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { schema } from './schema.ts';

/** Where the published contract lies. */
export const SCHEMA_FILE = join(import.meta.dirname, '..', '..', 'schema', 'schema.graphql');

/** The contract as the code has it: sorted, so that only changes of meaning show. */
export function printContract(): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`;
}

/** Whether the file says what the code says. A file that is missing does not. */
export function isContractCurrent(): boolean {
  try {
    return readFileSync(SCHEMA_FILE, 'utf8') === printContract();
  } catch {
    return false;
  }
}

if (import.meta.main) {
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(SCHEMA_FILE), { recursive: true });
    writeFileSync(SCHEMA_FILE, printContract());
  } else if (!isContractCurrent()) {
    process.stderr.write(
      'schema/schema.graphql differs from the code. Run "npm run schema", read the difference, commit it.\n',
    );
    process.exitCode = 1;
  }
}
