import { randomUUID } from 'node:crypto';
import { graphDateTime } from './clock.ts';

/** An error that leaves the emulator exactly as Microsoft Graph would send it. See learn.microsoft.com/graph/errors. */
export class GraphFault extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'GraphFault';
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** The two ids that every Graph answer carries in its headers, and every error in its body as well. */
export interface RequestIds {
  requestId: string;
  clientRequestId: string;
}

/** A fresh request id; the client's own id is echoed, and stands in for it when there is none. */
export function requestIdsOf(headers: Headers): RequestIds {
  const requestId = randomUUID();
  return { requestId, clientRequestId: headers.get('client-request-id') ?? requestId };
}

/** The body of a Graph error. */
export function faultBody(fault: GraphFault, ids: RequestIds, now: number) {
  return {
    error: {
      code: fault.code,
      message: fault.message,
      innerError: {
        date: graphDateTime(now).slice(0, 19),
        'request-id': ids.requestId,
        'client-request-id': ids.clientRequestId,
      },
    },
  };
}

/** The whole HTTP answer for a fault, with the request ids in its headers. */
export function faultResponse(fault: GraphFault, ids: RequestIds, now: number): Response {
  return Response.json(faultBody(fault, ids, now), {
    status: fault.status,
    headers: {
      ...fault.headers,
      'request-id': ids.requestId,
      'client-request-id': ids.clientRequestId,
      'content-type': 'application/json',
    },
  });
}
