import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { createLogger } from '../../src/platform/logger.ts';

/** A PostgreSQL of the test's own that can be restarted behind an address that stays the same. */
export interface RestartablePostgres extends AsyncDisposable {
  url: string;
  /** A fast shutdown and a new start on the same data; resolves when it answers again. */
  restart(): Promise<void>;
}

/** Starts it in `dataDirectory`. Clients go through a forwarding port, since each start takes a port of its own. */
export async function startRestartablePostgres(dataDirectory: string): Promise<RestartablePostgres> {
  const start = () =>
    startEmbeddedPostgres({
      dataDirectory,
      logger: createLogger('silent'),
      flags: ['-c', 'fsync=off', '-c', 'synchronous_commit=off'],
    });
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
    async restart() {
      await server.stop();
      server = await start();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await server.stop();
    },
  };
}
