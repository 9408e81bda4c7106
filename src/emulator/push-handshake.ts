import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { GraphFault } from './graph-fault.ts';
import { type PushAnswer, pushPost } from './push-post.ts';
import type { PushSettings } from './push-settings.ts';

/**
 * Asks an endpoint to prove itself: a POST with `validationToken` in the query, to be answered within ten seconds with
 * 200, `text/plain` and the decoded token alone; see learn.microsoft.com/graph/change-notifications-delivery-webhooks.
 * Throws 400 `InvalidRequest` after the deadline and 400 `ValidationError` for any other answer.
 */
export async function validateEndpoint(
  address: string,
  settings: PushSettings,
  signal: AbortSignal,
): Promise<void> {
  if (settings.handshake === 'timeout') throw timedOut();
  if (settings.handshake === 'fail') throw failed('NotFound');
  // Blanks and a colon, as in Microsoft's tokens: whoever forgets to decode is found out.
  const token = `Validation: Testing client application reachability for subscription Request-Id: ${randomUUID()}`;
  const answer = await pushPost({
    url: withToken(address, token),
    contentType: 'text/plain; charset=utf-8',
    body: '',
    timeoutMs: settings.handshakeTimeoutMs,
    signal,
  });
  assertValid(answer, token);
}

/** The client's own query stays as it wrote it; the token comes behind it. */
function withToken(address: string, token: string): URL {
  const url = new URL(address);
  const parameter = new URLSearchParams({ validationToken: token }).toString();
  url.search = url.search === '' ? `?${parameter}` : `${url.search}&${parameter}`;
  return url;
}

function assertValid(answer: PushAnswer, token: string): void {
  if (answer.kind === 'timeout') throw timedOut();
  if (answer.kind !== 'answered') throw failed(null);
  if (answer.status !== 200) {
    throw failed((STATUS_CODES[answer.status] ?? String(answer.status)).replaceAll(/[^A-Za-z0-9]/g, ''));
  }
  const isText = /^text\/plain\s*(;|$)/i.test(answer.contentType);
  if (!isText || answer.body !== token) {
    throw new GraphFault(
      400,
      'ValidationError',
      'Subscription validation request failed. Response must exactly match validationToken query parameter.',
    );
  }
}

function timedOut(): GraphFault {
  return new GraphFault(400, 'InvalidRequest', 'Subscription validation request timed out.');
}

function failed(status: string | null): GraphFault {
  const seen = status === null ? '' : ` HTTP status code is '${status}'.`;
  return new GraphFault(
    400,
    'ValidationError',
    `Subscription validation request failed.${seen} Notification endpoint must respond with 200 OK to validation request.`,
  );
}
