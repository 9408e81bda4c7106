import { ExpectedError } from '../errors.ts';
import type { EntityManager } from './database.ts';
import {
  countSealedValues,
  openSealedValue,
  readSealedValues,
  type SealedColumn,
  type SealedUnder,
} from './sealed-values.ts';
import type { SecretBox } from './secrets.ts';

/** Where the keys of this process come from. */
export interface KeySource {
  /** Whether they stand in the environment; the key file of the data directory otherwise. */
  isConfigured: boolean;
  keyFile: string;
}

/** Secrets are sealed under keys that this process does not have, or has others of the same name for. */
export class EncryptionKeyError extends ExpectedError {
  constructor(code: 'ENCRYPTION_KEY_MISSING' | 'ENCRYPTION_KEY_WRONG', message: string, remedy: string) {
    super(code, message, remedy);
  }
}

/**
 * Makes sure that every key that something is sealed under is here, and is the one it was. A process without it would
 * start, look well, and fail at each account as its turn comes. Gives the number of values that older keys have sealed.
 * Throws {@link EncryptionKeyError}, which names the key and what to do, never a key itself.
 */
export async function checkEncryptionKeys(
  em: EntityManager,
  box: SecretBox,
  columns: readonly SealedColumn[],
  source: KeySource,
): Promise<number> {
  const uses: (SealedUnder & { column: SealedColumn })[] = [];
  for (const column of columns) {
    for (const use of await countSealedValues(em, column)) uses.push({ ...use, column });
  }
  const missing = [...new Set(uses.map(({ key }) => key))].filter((key) => !box.keyNames.includes(key));
  if (missing.length > 0) throw missingKeys(missing, uses, source);
  for (const use of uses) {
    const values = await readSealedValues(em, use.column, use.newestIds);
    // One that was damaged is no reason to keep everybody out.
    if (values.length > 0 && !values.some((value) => opens(box, use.column, value))) {
      throw wrongKey(use.key, source);
    }
  }
  const [current] = box.keyNames;
  return uses.reduce((sum, { key, count }) => (key === current ? sum : sum + count), 0);
}

function opens(box: SecretBox, column: SealedColumn, value: { id: string; sealed: string }): boolean {
  try {
    openSealedValue(box, column, value);
    return true;
  } catch {
    return false;
  }
}

function missingKeys(
  names: readonly string[],
  uses: readonly SealedUnder[],
  { isConfigured, keyFile }: KeySource,
): EncryptionKeyError {
  const count = uses.reduce((sum, { key, count }) => (names.includes(key) ? sum + count : sum), 0);
  const keys = names.map((name) => `"${name}"`).join(', ');
  const [noun, it] = names.length === 1 ? ['key', 'it'] : ['keys', 'them'];
  const fromFile = names.includes('local') ? ` The key "local" stands in the file ${keyFile}.` : '';
  return new EncryptionKeyError(
    'ENCRYPTION_KEY_MISSING',
    `${count} stored ${count === 1 ? 'secret is' : 'secrets are'} sealed under the ${noun} ${keys}, and ${isConfigured ? 'DESKGRAPH_ENCRYPTION_KEYS does' : `the key file ${keyFile} does`} not hold ${it}.`,
    isConfigured
      ? `Add ${it} to DESKGRAPH_ENCRYPTION_KEYS behind the first (name:key, separated by commas) and start again; take ${it} away once the metric deskgraph_sealed_values shows none under ${it}.${fromFile}`
      : `Set DESKGRAPH_ENCRYPTION_KEYS to the keys that this database has been used with, or put the key file of its data directory back from a backup.`,
  );
}

function wrongKey(name: string, { isConfigured, keyFile }: KeySource): EncryptionKeyError {
  return new EncryptionKeyError(
    'ENCRYPTION_KEY_WRONG',
    `The key "${name}" ${isConfigured ? 'in DESKGRAPH_ENCRYPTION_KEYS' : `in the file ${keyFile}`} is not the one of that name that the stored secrets are sealed under.`,
    isConfigured
      ? `Put back the key that "${name}" was, and give a new key a name of its own.`
      : 'Put the key file back from the backup of the data directory: a new one was made, or another was copied.',
  );
}
