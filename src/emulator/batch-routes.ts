import { Hono } from 'hono';
import { z } from 'zod';
import { requireCaller } from './gate.ts';
import { readBody } from './graph-body.ts';
import { GraphFault } from './graph-fault.ts';
import { canonicalPath } from './graph-path.ts';
import type { GraphEnv, World } from './world.ts';

/** Microsoft's limits; see learn.microsoft.com/graph/json-batching. */
const MOST_PARTS = 20;

const partSchema = z.object({
  id: z.string().min(1),
  method: z.string().transform((method) => method.toUpperCase()),
  url: z.string().min(1),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.unknown().optional(),
  dependsOn: z.array(z.string()).optional(),
});
type Part = z.infer<typeof partSchema>;
const batchSchema = z.object({ requests: z.array(partSchema) });

/** One answer inside a batch answer. */
interface PartAnswer {
  id: string;
  status: number;
  headers: Record<string, string>;
  body?: unknown;
}

/** Carries out a request as if it had come over the wire. */
type Dispatch = (request: Request, env: GraphEnv['Bindings']) => Response | Promise<Response>;

/** `POST /v1.0/$batch`. Parts of one mailbox run four at a time; answers come in the order in which they are ready. */
export function batchRoutes(world: World, dispatch: Dispatch): Hono<GraphEnv> {
  const routes = new Hono<GraphEnv>();
  routes.post('/v1.0/$batch', async (c) => {
    requireCaller(c);
    const { requests } = await readBody(c, batchSchema);
    assertWellFormed(requests);
    const { origin } = new URL(c.req.url);
    const authorization = c.req.header('authorization') ?? '';
    const run = async (part: Part): Promise<PartAnswer> => {
      const request = requestOf(part, origin, authorization);
      return await answerOf(part, await dispatch(request, { ...c.env, isBatchPart: true }));
    };
    return c.json({ responses: await runAll(requests, run, world.settings.limits.concurrentRequests) });
  });
  return routes;
}

async function runAll(
  parts: readonly Part[],
  run: (part: Part) => Promise<PartAnswer>,
  concurrent: number,
): Promise<PartAnswer[]> {
  const answers: PartAnswer[] = [];
  const done = new Map<string, Promise<PartAnswer>>();
  const gates = new Map<string, Turnstile>();
  for (const part of parts) {
    const mailbox = /^\/(?:me|users\/[^/]+)/i.exec(part.url)?.[0].toLowerCase() ?? '';
    const turnstile = gates.get(mailbox) ?? new Turnstile(concurrent);
    gates.set(mailbox, turnstile);
    const before = (part.dependsOn ?? []).map((id) => done.get(id));
    const answer = (async () => {
      const failed = (await Promise.all(before)).some(
        (earlier) => earlier !== undefined && earlier.status >= 400,
      );
      const result = failed ? failedDependency(part) : await turnstile.pass(() => run(part));
      answers.push(result);
      return result;
    })();
    done.set(part.id, answer);
  }
  await Promise.all(done.values());
  return answers;
}

/** Lets so many through at a time; the others wait in order. */
class Turnstile {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

function requestOf(part: Part, origin: string, authorization: string): Request {
  const headers = new Headers(part.headers);
  if (!headers.has('authorization')) headers.set('authorization', authorization);
  const url = `${origin}/v1.0/${part.url.replace(/^\//, '')}`;
  const hasBody = part.body !== undefined && part.method !== 'GET' && part.method !== 'HEAD';
  const body = typeof part.body === 'string' ? part.body : JSON.stringify(part.body);
  return new Request(url, { method: part.method, headers, ...(hasBody ? { body } : {}) });
}

async function answerOf(part: Part, response: Response): Promise<PartAnswer> {
  const headers: Record<string, string> = {};
  for (const [name, value] of response.headers) headers[canonicalHeader(name)] = value;
  const bytes = Buffer.from(await response.arrayBuffer());
  const answer: PartAnswer = { id: part.id, status: response.status, headers };
  if (bytes.length === 0) return answer;
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  // Bytes that are no JSON come as base64 in a string.
  answer.body = isJson ? JSON.parse(bytes.toString()) : bytes.toString('base64');
  return answer;
}

/** Graph writes the headers of parts with capitals; clients that look for `Retry-After` find it. */
function canonicalHeader(name: string): string {
  return name.startsWith('request-id') || name.startsWith('client-')
    ? name
    : name.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase());
}

function failedDependency(part: Part): PartAnswer {
  return {
    id: part.id,
    status: 424,
    headers: { 'Content-Type': 'application/json' },
    body: { error: { code: 'FailedDependency', message: 'A request that this one depends on failed.' } },
  };
}

function assertWellFormed(parts: readonly Part[]): void {
  if (parts.length === 0) throw badBatch('The batch has no requests.');
  if (parts.length > MOST_PARTS)
    throw badBatch(`A batch has at most ${MOST_PARTS} requests, this one ${parts.length}.`);
  const seen = new Set<string>();
  for (const part of parts) {
    if (seen.has(part.id)) throw badBatch(`The id '${part.id}' is used twice.`);
    if (/^[a-z]+:/i.test(part.url)) throw badBatch(`The url of '${part.id}' must be relative.`);
    if (canonicalPath(`/v1.0/${part.url.replace(/^\//, '')}`).startsWith('/v1.0/$batch')) {
      throw badBatch('A batch cannot hold a batch.');
    }
    for (const id of part.dependsOn ?? []) {
      if (!seen.has(id)) throw badBatch(`'${part.id}' depends on '${id}', which does not come before it.`);
    }
    seen.add(part.id);
  }
}

function badBatch(message: string): GraphFault {
  return new GraphFault(400, 'BadRequest', message);
}
