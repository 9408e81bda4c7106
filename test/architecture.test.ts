import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const source = join(root, 'src');

/** The ranks of the house: a file imports from its own folder or from a lower rank only. */
const RANK_OF_FOLDER: Readonly<Record<string, number>> = {
  platform: 0,
  jobs: 1,
  // Above the jobs: the log is pruned by one.
  realtime: 1.5,
  access: 2,
  microsoft365: 3,
  mailboxes: 4,
  directory: 4,
  ticketing: 5,
  sync: 6,
  outbound: 6,
  triage: 6,
  graphql: 7,
  server: 8,
};
const RANK_OF_FILE: Readonly<Record<string, number>> = {
  'errors.ts': -1,
  'config.ts': 0.5,
  'entities.ts': 8,
  'sealed-columns.ts': 8,
  'database.ts': 8,
  'app.ts': 9,
  'main.ts': 9,
  'commands.ts': 9,
  'graphql/schema.ts': 8,
  'graphql/print-errors.ts': 8,
  'graphql/print-schema.ts': 8,
};

const files = readdirSync(source, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(source, join(entry.parentPath, entry.name)));

const imports = new Map(files.map((file) => [file, importsOf(file)]));

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)]
    .map(([, specifier]) => relative(source, resolve(join(source, dirname(file)), specifier ?? '')))
    .filter((target) => !target.startsWith('..'));
}

function folderOf(file: string): string {
  return file.includes('/') ? (file.split('/')[0] ?? '') : '';
}

function rankOf(file: string): number | undefined {
  if (file in RANK_OF_FILE) return RANK_OF_FILE[file];
  if (file.startsWith('demo/')) return 9;
  if (file.endsWith('.graphql.ts')) return 7;
  return RANK_OF_FOLDER[folderOf(file)];
}

/** Edges that break the ranks, as `from → to`. */
function upwardEdges(graph: ReadonlyMap<string, readonly string[]>): string[] {
  return [...graph].flatMap(([file, targets]) =>
    targets
      .filter((target) => {
        if (folderOf(file) === 'emulator' || folderOf(target) === 'emulator') return false;
        const [from, to] = [rankOf(file), rankOf(target)];
        if (from === undefined || to === undefined) return true;
        const isOwnFolder = folderOf(file) === folderOf(target) && !target.endsWith('.graphql.ts');
        return !(to < from || isOwnFolder || (from === to && from >= 7));
      })
      .map((target) => `${file} → ${target}`),
  );
}

function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) {
      found.push([...path.slice(path.indexOf(file)), file].join(' → '));
      return;
    }
    if (done.has(file)) return;
    for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

test('every folder and top-level file of src has a rank', () => {
  expect(files.filter((file) => folderOf(file) !== 'emulator' && rankOf(file) === undefined)).toEqual([]);
});

test('imports go down the ranks only', () => {
  expect(upwardEdges(imports)).toEqual([]);
});

test('the rank check would see an upward import', () => {
  expect(upwardEdges(new Map([['platform/clock.ts', ['sync/run-sync.ts']]]))).toHaveLength(1);
  expect(upwardEdges(new Map([['ticketing/ingest.ts', ['ticketing/tickets.graphql.ts']]]))).toHaveLength(1);
});

test('no file imports itself in a circle', () => {
  expect(cycles(imports)).toEqual([]);
});

test('only *.graphql.ts, graphql/ and server/ know GraphQL: domains stay free of it', () => {
  const strays = files.filter(
    (file) =>
      !file.endsWith('.graphql.ts') &&
      !['graphql', 'server', 'emulator'].includes(folderOf(file)) &&
      (imports.get(file) ?? []).some((target) => folderOf(target) === 'graphql') &&
      rankOf(file) !== 9,
  );
  expect(strays).toEqual([]);
});

test('only graphql/schema.ts imports *.graphql.ts of another folder', () => {
  const strays = [...imports].flatMap(([file, targets]) =>
    targets
      .filter(
        (target) =>
          target.endsWith('.graphql.ts') &&
          file !== 'graphql/schema.ts' &&
          // The shared type of problems lies in graphql/ itself.
          folderOf(target) !== 'graphql' &&
          folderOf(target) !== folderOf(file),
      )
      .map((target) => `${file} → ${target}`),
  );
  expect(strays).toEqual([]);
});

test('the emulator and the Microsoft 365 client know nothing of each other', () => {
  const between = [...imports].flatMap(([file, targets]) =>
    targets
      .filter((target) => {
        const pair = [folderOf(file), folderOf(target)];
        return pair.includes('emulator') && pair[0] !== pair[1];
      })
      .filter((target) => rankOf(file) !== 9 && target !== 'errors.ts')
      .map((target) => `${file} → ${target}`),
  );
  expect(between).toEqual([]);
});

test('the time is asked of the clock, and the environment is read by config.ts alone', () => {
  const offenders = files.filter((file) => {
    const text = readFileSync(join(source, file), 'utf8');
    const isClock = file === 'platform/clock.ts' || file === 'emulator/clock.ts';
    const readsTime = !isClock && /\bDate\.now\(|new Date\(\)/.test(text);
    const readsEnvironment =
      !['config.ts', 'emulator/main.ts'].includes(file) && /\bprocess\.env\b/.test(text);
    return readsTime || readsEnvironment;
  });
  expect(offenders).toEqual([]);
});

test('no source file is longer than 500 lines', () => {
  const long = files.filter((file) => readFileSync(join(source, file), 'utf8').split('\n').length > 500);
  expect(long).toEqual([]);
});
