import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts';
import { type Forwarder, startForwarder } from '../reliability/forwarder.ts';
import { type RestartablePostgres, startRestartablePostgres } from '../reliability/restartable-postgres.ts';
import { control, freePort } from '../support/app.ts';
import { startGuard } from './guard.ts';
import { Member, type MemberStart } from './member.ts';

/** The key of the first organization's owner. */
export const ADMIN_KEY = 'dg_chaos-run-admin-key-0123456789abcdefghij';

/** Two processes with the API, two with the worker, a database that belongs to none of them, and Microsoft. */
export interface Fleet extends AsyncDisposable {
  emulator: Emulator;
  postgres: RestartablePostgres;
  forwarder: Forwarder;
  /** First the APIs, then the workers. */
  members: Member[];
  /** The environment that they share, for commands beside them. */
  env: Record<string, string>;
}

/** The processes of a fleet, and how they differ from the usual ones. */
export interface FleetOptions {
  members?: readonly (readonly [name: string, role: 'api' | 'worker'])[];
  /** How a process is started. */
  startOf?: (name: string, role: 'api' | 'worker') => MemberStart;
  /** Every request to Microsoft takes at least this long. */
  latencyMs?: number;
}

const USUAL_MEMBERS = [
  ['api-1', 'api'],
  ['api-2', 'api'],
  ['worker-1', 'worker'],
  ['worker-2', 'worker'],
] as const;

/** Starts the fleet; its data and logs are in `folder`. Microsoft reaches the APIs through one address, in turn. */
export async function startFleet(
  folder: string,
  seed: number,
  { members: wanted = USUAL_MEMBERS, startOf = () => ({}), latencyMs = 10 }: FleetOptions = {},
): Promise<Fleet> {
  const logs = join(folder, 'logs');
  await mkdir(logs, { recursive: true });
  await using cleanup = new AsyncDisposableStack();
  const guard = cleanup.use(startGuard(folder));
  const emulator = cleanup.use(await startEmulator());
  await control(emulator.url, 'settings', { randomSeed: seed, latencyMs });
  // A process that is dead for seconds must not wait for the next attempt for minutes: 1.5 s, 3 s, 6 s, …
  await control(emulator.url, 'push', { retryScale: 0.1 });
  // A crash of PostgreSQL must keep what was committed, so it waits for its log; only the disk is not waited for.
  const postgres = cleanup.use(await startRestartablePostgres(join(folder, 'data'), ['-c', 'fsync=off']));
  const forwarder = cleanup.use(await startForwarder());
  const env = {
    DATABASE_URL: postgres.url,
    DESKGRAPH_ENCRYPTION_KEYS: `chaos:${randomBytes(32).toString('base64')}`,
    DESKGRAPH_ADMIN_KEY: ADMIN_KEY,
    DESKGRAPH_DATA_DIR: join(folder, 'unused'),
    MICROSOFT_LOGIN_URL: emulator.loginUrl,
    MICROSOFT_GRAPH_URL: emulator.graphUrl,
    PUBLIC_URL: forwarder.url,
    LOG_LEVEL: 'info',
  };
  const members: Member[] = [];
  const kill = () => {
    for (const member of members) member.destroy();
  };
  process.once('exit', kill);
  cleanup.defer(async () => {
    await Promise.all(members.map((member) => member.stop()));
    process.off('exit', kill);
  });
  for (const [name, role] of wanted) {
    const own = { ...env, DESKGRAPH_ROLES: role, PORT: String(await freePort()) };
    const member = new Member(name, own, logs, guard, startOf(name, role));
    members.push(member);
    if (role === 'api') forwarder.targets.push(member.url);
  }
  // The first makes the tables; the others would only wait for it.
  await members[0]?.start();
  await Promise.all(members.slice(1).map((member) => member.start()));
  const owned = cleanup.move();
  return {
    emulator,
    postgres,
    forwarder,
    members,
    env,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
