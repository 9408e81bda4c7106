import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { createLogger } from '../../src/platform/logger.ts';

/** A PostgreSQL of the test's own that can be restarted behind an address that stays the same. */
export interface RestartablePostgres extends AsyncDisposable {
  url: string;
  /** A shutdown, a fast one unless it says otherwise, and a new start on the same data; resolves when it answers again. */
  restart(how?: RestartOptions): Promise<void>;
}

/** How PostgreSQL is restarted. */
export interface RestartOptions {
  /** Ends at once, as after a crash: the next start recovers from the log. Wants `synchronous_commit` to be on. */
  immediate?: boolean;
  /** How long it stays away. */
  downMilliseconds?: number;
}

/** Starts it in `dataDirectory`. Clients go through a forwarding port, since each start takes a port of its own. */
export async function startRestartablePostgres(
  dataDirectory: string,
  flags: readonly string[] = ['-c', 'fsync=off', '-c', 'synchronous_commit=off'],
): Promise<RestartablePostgres> {
  const start = () => startEmbeddedPostgres({ dataDirectory, logger: createLogger('silent'), flags });
  let server: EmbeddedPostgres = await start();
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const upstream = connect(Number(new URL(server.url).port), '127.0.0.1');
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const url = new URL(server.url);
  url.port = String((proxy.address() as AddressInfo).port);
  return {
    url: url.href,
    async restart({ immediate = false, downMilliseconds = 0 } = {}) {
      if (immediate) await crash(dataDirectory);
      await server.stop();
      await sleep(downMilliseconds);
      server = await start();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await server.stop();
    },
  };
}

/** SIGQUIT is PostgreSQL's "immediate shutdown": no goodbye to anybody, no checkpoint. */
async function crash(dataDirectory: string): Promise<void> {
  const [line] = (await readFile(join(dataDirectory, 'postgres', 'postmaster.pid'), 'utf8')).split('\n');
  process.kill(Number(line), 'SIGQUIT');
}
