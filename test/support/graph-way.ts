import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Longer than any test: who has sent nothing for a while is not cut off under the next request. */
const KEEP_ALIVE = 600_000;

/** Requests that wait. */
export interface HeldRequests {
  /** How many have come. */
  readonly count: number;
  /** Lets them go on, and those that come. */
  release(): void;
}

/**
 * A way to Graph on which a test can hold requests up. So an answer takes as long as the test has things to do meanwhile,
 * however slow the machine is; a latency would be over sooner or later than those.
 */
export interface GraphWay extends AsyncDisposable {
  /** For `MICROSOFT_GRAPH_URL`. */
  url: string;
  /** Where it leads: the emulator, as soon as there is one. */
  target: string;
  /** From now on requests wait whose path, as it was sent, matches. */
  hold(path: RegExp): HeldRequests;
}

/** Opens a way that leads nowhere yet. */
export async function startGraphWay(): Promise<GraphWay> {
  const holds = new Set<{ path: RegExp; count: number; released: Promise<void>; release(): void }>();
  const way: GraphWay = {
    url: '',
    target: '',
    hold(path) {
      const { promise: released, resolve } = Promise.withResolvers<void>();
      const held = {
        path,
        count: 0,
        released,
        release() {
          holds.delete(held);
          resolve();
        },
      };
      holds.add(held);
      return held;
    },
    async [Symbol.asyncDispose]() {
      for (const { release } of holds) release();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  const server = createServer((incoming, outgoing) => {
    // Who has gone away meanwhile wants no answer.
    pass(incoming, outgoing).catch(() => outgoing.destroy());
  });
  server.keepAliveTimeout = KEEP_ALIVE;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  way.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return way;

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { url: path = '/', method, headers } = incoming;
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    for (const held of [...holds].filter((one) => one.path.test(path))) {
      held.count += 1;
      await held.released;
    }
    const onward = request(way.target + path, { method, headers, agent: false });
    onward.end(Buffer.concat(chunks));
    const [answer] = (await once(onward, 'response')) as [IncomingMessage];
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  }
}
