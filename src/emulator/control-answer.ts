import type { Context } from 'hono';
import { z } from 'zod';
import { GraphFault } from './graph-fault.ts';

/** Something the control API cannot do, with the status and code that say why. */
export class ControlFault extends Error {
  readonly status: 400 | 404 | 409 | 413;
  readonly code: string;

  constructor(status: 400 | 404 | 409 | 413, code: string, message: string) {
    super(message);
    this.name = 'ControlFault';
    this.status = status;
    this.code = code;
  }
}

/** The JSON body, checked. Throws 400 that names what is wrong. */
export async function readControlBody<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  let json: unknown;
  try {
    json = await c.req.json();
  } catch {
    throw new ControlFault(400, 'badRequest', 'The body is not JSON.');
  }
  const result = schema.safeParse(json);
  if (!result.success) throw new ControlFault(400, 'badRequest', z.prettifyError(result.error));
  return result.data;
}

/** The answer to a request of the control API that failed: `{ error: { code, message } }`. Rethrows what is a bug. */
export function controlFaultResponse(error: Error): Response {
  const known = error instanceof ControlFault || error instanceof GraphFault;
  if (!known) throw error;
  return Response.json({ error: { code: error.code, message: error.message } }, { status: error.status });
}
