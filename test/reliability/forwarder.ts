import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One address for several processes, as a load balancer is one. */
export interface Forwarder extends AsyncDisposable {
  url: string;
  /** Addresses of the processes; requests go to them in turn. Whoever cannot be reached is passed over. */
  targets: string[];
  /** Requests that were forwarded, by target and path. */
  forwarded: { target: string; path: string; status: number }[];
}

/** Starts a forwarder without targets on a free port. Without anybody to reach, it answers 502. */
export async function startForwarder(): Promise<Forwarder> {
  const targets: string[] = [];
  const forwarded: Forwarder['forwarded'] = [];
  let turn = 0;
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const order = targets.map((_, index) => targets[(turn + index) % targets.length] ?? '');
    turn += 1;
    for (const target of order) {
      const path = incoming.url ?? '/';
      const status = await forward(target + path);
      if (status === null) continue;
      forwarded.push({ target, path, status });
      return;
    }
    outgoing.writeHead(502).end();

    /** The status of the answer; null when nobody took the request. */
    function forward(url: string): Promise<number | null> {
      return new Promise((resolve) => {
        const { method, headers } = incoming;
        const onward = request(url, { method, headers, agent: false }, (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
          answer.once('close', () => resolve(answer.statusCode ?? 502));
        });
        onward.once('error', () => {
          if (outgoing.headersSent) outgoing.destroy();
          resolve(outgoing.headersSent ? 502 : null);
        });
        onward.end(body);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    targets,
    forwarded,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
