import type { Context } from 'hono';
import type { z } from 'zod';
import { GraphFault } from './graph-fault.ts';

/** Graph refuses larger JSON and MIME bodies; larger attachments need an upload session. */
export const MOST_BODY_BYTES = 4 * 1024 * 1024;

/**
 * The JSON body, checked; `empty` stands for none at all. Throws 400 that names what is wrong, 413 when it is too large.
 */
export async function readBody<T>(c: Context, schema: z.ZodType<T>, empty?: object): Promise<T> {
  const text = await readText(c);
  let json: unknown;
  try {
    json = text === '' && empty !== undefined ? empty : JSON.parse(text);
  } catch {
    throw new GraphFault(400, 'BadRequest', 'Unable to read JSON request payload.');
  }
  const result = schema.safeParse(lowerFirstLetters(json));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new GraphFault(400, 'ErrorInvalidRequest', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

/** The body as text. Throws 413 when it is too large. */
export async function readText(c: Context): Promise<string> {
  if (Number(c.req.header('content-length') ?? 0) > MOST_BODY_BYTES) throw tooLarge();
  const text = await c.req.text();
  if (text.length > MOST_BODY_BYTES) throw tooLarge();
  return text;
}

/** Graph's metadata writes action parameters with a capital, its pages without: both are good. */
function lowerFirstLetters(json: unknown): unknown {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return json;
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => [name.charAt(0).toLowerCase() + name.slice(1), value]),
  );
}

function tooLarge(): GraphFault {
  return new GraphFault(413, 'RequestEntityTooLarge', 'The maximum request length supported is 4MB.');
}
