import { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import WebSocket from 'ws';
import type { SecretWatch } from './secret-watch.ts';

/** What our own server serves; the emulator and whatever else a test starts serve other paths. */
const OWN = /^\/(graphql|api|webhooks|attachments|inline-images|uploads|setup-check|livez|readyz|metrics)\b/;
const TOKEN = /\/oauth2\/v2\.0\/token$/;
/** Requests with secrets in their bodies. */
const TELLING = /\/oauth2\/v2\.0\/token$|\/subscriptions$|^\/graphql$/;
const LONGEST_BODY = 256 * 1_024;
/** What Entra is given, and what it gives. */
const SECRET_FIELDS = [
  'access_token',
  'refresh_token',
  'id_token',
  'client_secret',
  'client_assertion',
  'code',
  'code_verifier',
];

/**
 * Listens to what the HTTP servers of this process are asked and answer, and to what it fetches and its WebSockets receive
 * from other processes. Secrets are learnt where they travel, from requests and from the emulator's answers; what our own
 * servers answer is heard.
 */
export function listenToTraffic(watch: SecretWatch): void {
  listenToRequests(watch);
  listenToAnswers(watch);
  listenToFetch(watch);
  const emit = WebSocket.prototype.emit;
  WebSocket.prototype.emit = function (this: WebSocket, event: string | symbol, ...values: unknown[]) {
    if (event === 'message' && Reflect.get(this, '_isServer') === false)
      watch.hear('STREAM', String(values[0]));
    return Reflect.apply(emit, this, [event, ...values]);
  } as typeof emit;
}

const bodies = new WeakMap<IncomingMessage, string>();

function listenToRequests(watch: SecretWatch): void {
  IncomingMessage.prototype.push = function (
    this: IncomingMessage,
    chunk: unknown,
    encoding?: BufferEncoding,
  ) {
    if (this.url && TELLING.test(pathOf(this.url))) {
      const body = bodies.get(this) ?? '';
      if (chunk === null) learnFromRequest(watch, pathOf(this.url), body);
      else if (body.length < LONGEST_BODY) bodies.set(this, body + String(chunk));
    }
    return Readable.prototype.push.call(this, chunk, encoding);
  };
}

function learnFromRequest(watch: SecretWatch, path: string, body: string): void {
  if (TOKEN.test(path)) {
    const fields = new URLSearchParams(body);
    for (const name of SECRET_FIELDS) watch.learn(name, fields.get(name));
    return;
  }
  for (const [, name = '', value = ''] of body.matchAll(
    /"(clientState|clientSecret|privateKey)":"((?:[^"\\]|\\.)*)"/g,
  )) {
    const secret: string = JSON.parse(`"${value}"`);
    if (name !== 'privateKey') watch.learn(name, secret);
    else for (const line of privateLinesOf(secret)) watch.learn(name, line);
  }
}

/** The lines of a PEM that belong to the private part alone: an RSA key begins with its public one. */
function privateLinesOf(pem: string): string[] {
  const lines = pem.split('\n').filter((line) => !line.startsWith('-----') && line.length > 32);
  return lines.length > 12 ? lines.slice(10) : lines.slice(0, 1);
}

function learnFromAuthorization(watch: SecretWatch, path: string, authorization: string | undefined): void {
  const [, token] = /^Bearer +(\S{16,})$/i.exec(authorization ?? '') ?? [];
  if (token) watch.learn(OWN.test(path) ? 'API key' : 'access_token', token);
}

function listenToAnswers(watch: SecretWatch): void {
  const { write, end, writeHead } = ServerResponse.prototype;
  const heads = new WeakMap<ServerResponse, string>();
  const hear = (response: ServerResponse, chunk: unknown) => {
    const { req } = response;
    const path = pathOf(req.url ?? '');
    const isToken = TOKEN.test(path);
    if (!isToken && !OWN.test(path)) return;
    const text =
      typeof chunk === 'string' ? chunk : chunk instanceof Uint8Array ? Buffer.from(chunk).toString() : '';
    if (isToken) return learnFromTokens(watch, text);
    const isMinting = path === '/graphql' && (bodies.get(req) ?? '').includes('createApiKey');
    watch.hear(isMinting ? 'MINTING' : 'ANSWER', `${heads.get(response) ?? ''}${text}`);
    heads.delete(response);
  };
  ServerResponse.prototype.writeHead = function (this: ServerResponse, ...values: unknown[]) {
    const path = pathOf(this.req.url ?? '');
    learnFromAuthorization(watch, path, this.req.headers.authorization);
    const result = Reflect.apply(writeHead, this, values);
    if (OWN.test(path)) {
      heads.set(
        this,
        `${this.req.method} ${path} ${JSON.stringify([this.getHeaders(), values[1], values[2]])} `,
      );
    }
    return result;
  } as typeof writeHead;
  ServerResponse.prototype.write = function (this: ServerResponse, ...values: unknown[]) {
    hear(this, values[0]);
    return Reflect.apply(write, this, values);
  } as typeof write;
  ServerResponse.prototype.end = function (this: ServerResponse, ...values: unknown[]) {
    hear(this, values[0]);
    return Reflect.apply(end, this, values);
  } as typeof end;
}

function learnFromTokens(watch: SecretWatch, text: string): void {
  for (const [, name = '', value] of text.matchAll(/"(\w+_token)":"([^"]+)"/g)) watch.learn(name, value);
}

const otherProcesses = new Set<string>();

/** Lets the watch hear what is fetched from a server in another process. */
export function listenToProcess(url: string): void {
  otherProcesses.add(new URL(url).host);
}

function listenToFetch(watch: SecretWatch): void {
  const real = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const isOther = otherProcesses.has(url.host);
    const isToken = TOKEN.test(url.pathname);
    if (typeof init?.body === 'string' && TELLING.test(url.pathname)) {
      learnFromRequest(watch, url.pathname, init.body);
    }
    if (isOther)
      learnFromAuthorization(watch, url.pathname, new Headers(init?.headers).get('authorization') ?? '');
    const response = await real(input, init);
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
    if (isToken) learnFromTokens(watch, await textOf(response));
    else if (isOther && !isStream) {
      const isMinting = String(init?.body).includes('createApiKey');
      const head = `${init?.method ?? 'GET'} ${url.pathname} ${JSON.stringify([...response.headers])} `;
      watch.hear(isMinting ? 'MINTING' : 'ANSWER', head + (await textOf(response)));
    }
    return response;
  };
}

/** Of a copy: whoever asked reads the answer itself. */
async function textOf(response: Response): Promise<string> {
  return await response
    .clone()
    .text()
    .catch(() => '');
}

function pathOf(url: string): string {
  const [path = ''] = url.split('?');
  return path;
}
