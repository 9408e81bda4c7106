import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ChangeNotification, Subscription } from '@microsoft/microsoft-graph-types';
import { SLOW_MACHINE } from '../support/wait.ts';
import type { MailServer } from './mail-harness.ts';

/** A notification as it came; `resourceData` is an open type, which Microsoft's TypeScript form cannot say. */
export type Received = Omit<ChangeNotification, 'resourceData'> & { resourceData?: Record<string, string> };

/** One request with notifications. */
export interface Delivery {
  path: string;
  contentType: string | undefined;
  value: Received[];
}

/** How an endpoint answers; gives true when it has answered itself, or means to leave the request open. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse, token: string | null) => boolean;

/** A client's webhook: answers handshakes and keeps what comes in. */
export interface Receiver extends AsyncDisposable {
  url: string;
  handshakes: { path: string; token: string; contentType: string | undefined }[];
  deliveries: Delivery[];
  /** Replaces the good manners, until it is set to null again. */
  behave: Behaviour | null;
  /** Waits until so many requests with notifications came in all, refused ones included. */
  requests(count: number): Promise<Delivery[]>;
  /** Waits until so many notifications came in all. */
  notifications(count: number): Promise<Received[]>;
}

/** A receiver on a free port. */
export async function startReceiver(): Promise<Receiver> {
  const waiting: (() => void)[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => answer(request, response, text));
  });
  const answer = (request: IncomingMessage, response: ServerResponse, text: string): void => {
    const url = new URL(request.url ?? '/', 'http://receiver.example');
    const token = url.searchParams.get('validationToken');
    const contentType = request.headers['content-type'];
    if (token !== null) receiver.handshakes.push({ path: request.url ?? '', token, contentType });
    else receiver.deliveries.push({ path: request.url ?? '', contentType, ...JSON.parse(text) });
    if (receiver.behave?.(request, response, token) !== true) {
      if (token !== null) response.writeHead(200, { 'content-type': 'text/plain' }).end(token);
      else response.writeHead(202).end();
    }
    for (const look of waiting) look();
  };
  const until = async (isThere: () => boolean, what: string): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (isThere()) resolve();
    };
    waiting.push(look);
    const timer = setTimeout(() => reject(new Error(`Never came: ${what}`)), SLOW_MACHINE);
    look();
    await promise.finally(() => clearTimeout(timer));
  };
  const receiver: Receiver = {
    url: '',
    handshakes: [],
    deliveries: [],
    behave: null,
    async requests(count) {
      await until(() => receiver.deliveries.length >= count, `${count} requests`);
      return receiver.deliveries;
    },
    async notifications(count) {
      const all = (): Received[] => receiver.deliveries.flatMap(({ value }) => value);
      await until(() => all().length >= count, `${count} notifications`);
      return all();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return receiver;
}

/** What a test asks for beside the usual. */
export type Wanted = Omit<Partial<Subscription>, 'notificationUrl'> & { notificationUrl?: string };

/** The body of a create request: changes in the Inbox, for an hour and a half. */
export function wanted(receiver: Receiver, address: string, more: Wanted = {}): Subscription {
  return {
    changeType: 'created',
    notificationUrl: `${receiver.url}/notify`,
    lifecycleNotificationUrl: `${receiver.url}/lifecycle`,
    resource: `users/${address}/mailFolders('inbox')/messages`,
    expirationDateTime: new Date(Date.now() + 90 * 60_000).toISOString(),
    clientState: 'secret',
    ...more,
  };
}

/** Subscribes as the application of Contoso unless a token is given. Throws when it is refused. */
export async function subscribe(
  server: MailServer,
  receiver: Receiver,
  address: string,
  more: Wanted = {},
  call: { token?: string; headers?: Record<string, string> } = {},
): Promise<Subscription & { id: string }> {
  const body = wanted(receiver, address, more);
  const answer = await server.graph<Subscription>('POST', '/subscriptions', { body, ...call });
  if (answer.status !== 201) throw new Error(`not subscribed: ${JSON.stringify(answer.body)}`);
  return { ...answer.body, id: answer.body.id ?? '' };
}

/** What `GET /_emulator/push` tells, as far as the tests look. */
export interface PushReport {
  settings: Record<string, unknown>;
  counts: Record<string, number>;
  traffic: Record<string, number>;
  reauthorizeConflicts: number;
  endpoints: { host: string; state: string }[];
  totalSubscriptions: number;
  subscriptions: { id: string; isAuthorized: boolean; counts: Record<string, number> }[];
}

/** Sets what is given, and reports. */
export async function push(server: MailServer, settings: Record<string, unknown> = {}): Promise<PushReport> {
  const answer = await server.control<PushReport>('POST', '/push', settings);
  if (answer.status !== 200) throw new Error(`not set: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** Moves the emulator's clock. */
export async function advance(server: MailServer, minutes: number): Promise<void> {
  await server.control('POST', '/clock', { advanceSeconds: minutes * 60 });
}
