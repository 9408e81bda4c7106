import type { Hono } from 'hono';
import { NotFoundError } from '../errors.ts';
import type { Services } from '../graphql/services.ts';
import { answerProbe, PROBE_PATH, PROBE_TOKEN } from '../microsoft365/public-url-probe.ts';
import type { Routes } from './http-app.ts';
import { jsonError } from './json-error.ts';

/**
 * `GET /setup-check/:nonce`: proves that this installation answers here, for the check `PUBLIC_URL_ANSWERS`. It tells
 * whoever asks nothing but that, and asks nobody.
 */
export function setupCheck({ links, clock }: Services): Routes {
  return (app: Hono) => {
    app.get(`${PROBE_PATH}/:nonce`, (context) => {
      const nonce = context.req.param('nonce');
      if (!PROBE_TOKEN.test(nonce)) return jsonError(404, new NotFoundError('The check'));
      context.header('Cache-Control', 'no-store');
      return context.json(answerProbe(links, clock, nonce));
    });
  };
}
