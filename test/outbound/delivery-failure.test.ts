import { expect, test } from 'vitest';
import { CannotSendError } from '../../src/mailboxes/sending-errors.ts';
import { GraphError } from '../../src/microsoft365/graph-error.ts';
import { failureOutcome, isClearRefusal } from '../../src/outbound/delivery-failure.ts';
import { HOUR } from '../../src/platform/clock.ts';
import { ObjectMissingError, ObjectStorageUnavailableError } from '../../src/platform/object-storage.ts';

const now = new Date('2026-11-21T12:00:00Z');
const first = { failedSince: null, failures: 0, now };
const cannot = (code: 'OUTGOING_DISABLED' | 'IDENTITY_DENIED' | 'SIGN_IN_REQUIRED') =>
  new CannotSendError(code, 'm', 'r');

test.each<[string, unknown, string]>([
  ['an unavailable Graph', new GraphError('GRAPH_UNAVAILABLE', 'm'), 'RETRY'],
  ['a time-out', new GraphError('GRAPH_TIMEOUT', 'm'), 'RETRY'],
  ['an answer in an unknown form', new GraphError('UNEXPECTED_ANSWER', 'm'), 'RETRY'],
  ['a sign-in service that is away', new GraphError('LOGIN_UNAVAILABLE', 'm'), 'RETRY'],
  ['a storage that is away', new ObjectStorageUnavailableError('m'), 'RETRY'],
  ['a defect of ours', new TypeError('m'), 'RETRY'],
  ['throttling', new GraphError('THROTTLED', 'm'), 'WAIT'],
  ['Microsoft’s own limits', new GraphError('SENDING_LIMIT_REACHED', 'm'), 'WAIT'],
  ['a blocked account', new GraphError('SENDING_BLOCKED', 'm'), 'WAIT'],
  ['a sign-in that is needed', new GraphError('SIGN_IN_REQUIRED', 'm'), 'WAIT'],
  ['a sign-in that is known to be needed', cannot('SIGN_IN_REQUIRED'), 'WAIT'],
  ['a consent that is needed', new GraphError('CONSENT_REQUIRED', 'm'), 'WAIT'],
  ['a credential that is refused', new GraphError('CREDENTIAL_REFUSED', 'm'), 'WAIT'],
  ['an account that was disconnected', new GraphError('ACCOUNT_DISCONNECTED', 'm'), 'FAIL'],
  ['outgoing mail that is switched off', cannot('OUTGOING_DISABLED'), 'FAIL'],
  ['an identity that is denied', cannot('IDENTITY_DENIED'), 'FAIL'],
  ['Send As that is denied', new GraphError('SEND_AS_DENIED', 'm'), 'FAIL'],
  ['a recipient that is refused', new GraphError('RECIPIENT_REFUSED', 'm'), 'FAIL'],
  ['a mail that is too large', new GraphError('MESSAGE_TOO_LARGE', 'm'), 'FAIL'],
  ['a full mailbox', new GraphError('QUOTA_EXCEEDED', 'm'), 'FAIL'],
  ['a mailbox that is not in Exchange Online', new GraphError('MAILBOX_NOT_ENABLED', 'm'), 'FAIL'],
  ['a mailbox that may not be used', new GraphError('MAILBOX_ACCESS_DENIED', 'm'), 'FAIL'],
  ['a request that is refused', new GraphError('REQUEST_REFUSED', 'm'), 'FAIL'],
  ['a file that is gone', new ObjectMissingError(), 'FAIL'],
])('%s', (_what, error, kind) => {
  expect(failureOutcome(error, first).kind).toBe(kind);
});

test('what passes by itself is tried again for 24 hours, and then fails', () => {
  const error = new GraphError('GRAPH_UNAVAILABLE', 'm');
  const since = (hours: number) => new Date(now.getTime() - hours * HOUR);
  expect(failureOutcome(error, { failedSince: since(23.9), failures: 90, now }).kind).toBe('RETRY');
  expect(failureOutcome(error, { failedSince: since(24), failures: 90, now }).kind).toBe('FAIL');
});

test('throttling never ends in failure, however long it lasts', () => {
  const failedSince = new Date(now.getTime() - 100 * HOUR);
  expect(failureOutcome(new GraphError('THROTTLED', 'm'), { failedSince, failures: 500, now }).kind).toBe(
    'WAIT',
  );
});

test('the waits grow, and Retry-After is obeyed', () => {
  const wait = (failures: number) => {
    const outcome = failureOutcome(new GraphError('GRAPH_TIMEOUT', 'm'), { failedSince: now, failures, now });
    return outcome.kind === 'RETRY' ? outcome.milliseconds : Number.NaN;
  };
  expect([0, 1, 4, 50].map(wait)).toEqual([2_000, 5_000, 60_000, 900_000]);
  const throttled = failureOutcome(
    new GraphError('THROTTLED', 'm', { retryAfterMilliseconds: 42_000 }),
    first,
  );
  expect(throttled).toMatchObject({ kind: 'WAIT', milliseconds: 42_050 });
});

test('only a refusal is clear: after anything else the mail may have gone out', () => {
  expect(isClearRefusal(new GraphError('THROTTLED', 'm', { status: 429 }))).toBe(true);
  expect(isClearRefusal(new GraphError('SEND_AS_DENIED', 'm', { status: 403 }))).toBe(true);
  expect(isClearRefusal(new GraphError('GRAPH_UNAVAILABLE', 'm', { status: 504 }))).toBe(false);
  expect(isClearRefusal(new GraphError('GRAPH_TIMEOUT', 'm'))).toBe(false);
  expect(isClearRefusal(new GraphError('UNEXPECTED_ANSWER', 'm', { status: 202 }))).toBe(false);
  expect(isClearRefusal(new Error('anything'))).toBe(false);
});
