import { connect } from 'node:net';
import { SLOW_MACHINE } from '../support/wait.ts';

/**
 * Sends bytes that no HTTP client would send, and gives what comes back until the server closes, or the head of an answer
 * that keeps the connection open. Empty when there was no answer: then the connection was cut.
 */
export function rawRequest(url: string, request: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(request));
    let answer = '';
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(done, SLOW_MACHINE);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      answer += text;
      // An upgraded connection stays open: its head is the answer.
      if (answer.startsWith('HTTP/1.1 101') && answer.includes('\r\n\r\n')) done();
    });
    socket.on('error', done);
    socket.on('close', done);
  });
}

/** The status line's number; 0 when there was no answer. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

/** The head of a WebSocket handshake for `target`, with whatever headers are added. */
export function handshake(target: string, headers: Record<string, string> = {}): string {
  const lines = {
    Host: 'localhost',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Protocol': 'graphql-transport-ws',
    ...headers,
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${target} HTTP/1.1\r\n${head.join('')}\r\n`;
}

/** The head of a plain request that asks to close the connection behind it. */
export function plain(target: string, headers: Record<string, string> = {}, method = 'GET'): string {
  const head = Object.entries({ Host: 'localhost', Connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `${method} ${target} HTTP/1.1\r\n${head.join('')}\r\n`;
}
