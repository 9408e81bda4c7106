import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/*
 * A client that costs next to nothing, so that it is the server that is measured: connections that stay open, requests that
 * were put into bytes before, and of an answer only its status.
 */

/** How requests fared. */
export interface Load {
  /** From the first request to the last answer. */
  seconds: number;
  /** From when each was due to its answer, in milliseconds. */
  latencies: number[];
  /** How often each status was answered. */
  statuses: Map<number, number>;
}

/** A request, ready to be sent. */
export function postOf(url: string, body: string): Buffer {
  const { host, pathname } = new URL(url);
  return Buffer.from(
    `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Sends all requests as fast as they are answered, over so many connections. */
export async function flood(url: string, requests: readonly Buffer[], connections: number): Promise<Load> {
  const clients = await Promise.all(Array.from({ length: connections }, () => Client.open(url)));
  const load: Load = { seconds: 0, latencies: [], statuses: new Map() };
  const startedAt = performance.now();
  let next = 0;
  await Promise.all(
    clients.map(async (client) => {
      for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
        await timed(load, client, request, performance.now());
      }
      client.close();
    }),
  );
  load.seconds = (performance.now() - startedAt) / 1_000;
  return load;
}

/** Sends the requests evenly over a second, whether or not those before are answered, each over a free connection. */
export async function burst(url: string, requests: readonly Buffer[], connections: number): Promise<Load> {
  const free = await Promise.all(Array.from({ length: connections }, () => Client.open(url)));
  const load: Load = { seconds: 0, latencies: [], statuses: new Map() };
  const startedAt = performance.now();
  const open: Promise<void>[] = [];
  for (const [index, request] of requests.entries()) {
    const due = startedAt + (index / requests.length) * 1_000;
    while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, 1));
    const send = async () => {
      const client = free.pop() ?? (await Client.open(url));
      await timed(load, client, request, due);
      free.push(client);
    };
    open.push(send());
  }
  await Promise.all(open);
  load.seconds = (performance.now() - startedAt) / 1_000;
  for (const client of free) client.close();
  return load;
}

async function timed(
  { latencies, statuses }: Load,
  client: Client,
  request: Buffer,
  due: number,
): Promise<void> {
  const status = await client.send(request);
  latencies.push(performance.now() - due);
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
}

/** One connection, one request at a time. */
class Client {
  readonly #socket: Socket;
  #text = '';
  #answered: PromiseWithResolvers<number> | undefined;

  static async open(url: string): Promise<Client> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname).setNoDelay(true).setEncoding('latin1');
    await once(socket, 'connect');
    return new Client(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (text: string) => {
      this.#text += text;
      if (!isWhole(this.#text)) return;
      const status = Number(this.#text.slice(9, 12));
      this.#text = '';
      this.#answered?.resolve(status);
    });
    socket.on('error', (error) => this.#answered?.reject(error));
    socket.on('close', () => this.#answered?.reject(new Error('The connection was closed.')));
  }

  send(request: Buffer): Promise<number> {
    this.#answered = Promise.withResolvers<number>();
    this.#socket.write(request);
    return this.#answered.promise;
  }

  close(): void {
    this.#answered = undefined;
    this.#socket.destroy();
  }
}

/** The answers have no body, however they say so. */
function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0) return false;
  return /\r\ntransfer-encoding: chunked\r\n/i.test(answer.slice(0, end + 2))
    ? answer.endsWith('0\r\n\r\n')
    : true;
}
