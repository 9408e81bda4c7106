/** What passed through `fetch` while it was listened to. */
export interface Overheard extends Disposable {
  /** Every secret that travelled, by what it is. */
  secrets: Map<string, Set<string>>;
  /** Every answer of the listened-to server, head and body. */
  answers: string[];
}

/** What Entra hands out, and what is handed to it, under these names. */
const SECRET_FIELDS = [
  'access_token',
  'refresh_token',
  'id_token',
  'client_secret',
  'client_assertion',
  'code',
  'code_verifier',
  'state',
];

/**
 * Listens to every `fetch` of this process, the server's own included: what the sign-in service gives out is known only on
 * its way. `ownUrl` is the server whose answers are kept.
 */
export function overhear(ownUrl: string): Overheard {
  const real = globalThis.fetch;
  const secrets = new Map<string, Set<string>>();
  const answers: string[] = [];
  const learn = (name: string, value: unknown) => {
    if (typeof value !== 'string' || value.length < 16) return;
    secrets.set(name, (secrets.get(name) ?? new Set()).add(value));
  };
  globalThis.fetch = async (input, init) => {
    const url = String(input instanceof Request ? input.url : input);
    const response = await real(input, init);
    if (url.includes('/oauth2/v2.0/token')) {
      for (const [name, value] of new URLSearchParams(String(init?.body ?? ''))) {
        if (SECRET_FIELDS.includes(name)) learn(name, value);
      }
      const json: unknown = await response
        .clone()
        .json()
        .catch(() => ({}));
      for (const name of SECRET_FIELDS) learn(name, (json as Record<string, unknown>)[name]);
    }
    if (url.endsWith('/subscriptions') && typeof init?.body === 'string') {
      learn('clientState', (JSON.parse(init.body) as Record<string, unknown>)['clientState']);
    }
    if (url.startsWith(ownUrl) && !response.headers.get('content-type')?.startsWith('text/event-stream')) {
      answers.push(`${JSON.stringify([...response.headers])}\n${await response.clone().text()}`);
    }
    return response;
  };
  return {
    secrets,
    answers,
    [Symbol.dispose]: () => {
      globalThis.fetch = real;
    },
  };
}
