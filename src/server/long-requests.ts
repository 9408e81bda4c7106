import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** What Node answers by itself, by the code of the error. */
const ANSWERS: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
};

/** Requests that may take longer than the server gives to any: large files over slow lines. */
export interface LongRequests {
  /** From now on the time of the request on this connection is watched by whoever calls this, until they call what it gives. */
  letOff(socket: Duplex): () => void;
}

/**
 * Watches over the connections of a server. Node knows one limit of time for all requests, and reports that it is over as
 * an error of the connection: for a request that was let off it is passed over. Everything else is answered as Node does
 * where nobody listens.
 */
export function watchLongRequests(server: Server): LongRequests {
  const letOff = new WeakSet<Duplex>();
  server.on('clientError', (error: Error & { code?: string }, socket: Duplex) => {
    const code = error.code ?? '';
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT' && letOff.has(socket)) return;
    // An answer that has begun must not be mixed with another one.
    const { _httpMessage: answer } = socket as Duplex & { _httpMessage?: ServerResponse };
    if (socket.writable && !answer?.headersSent) {
      socket.write(`HTTP/1.1 ${ANSWERS[code] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`);
    }
    socket.destroy(error);
  });
  return {
    letOff(socket) {
      letOff.add(socket);
      return () => letOff.delete(socket);
    },
  };
}
