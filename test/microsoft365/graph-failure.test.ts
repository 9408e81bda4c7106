import { describe, expect, test } from 'vitest';
import { DeltaExpiredError, GraphError, type GraphErrorCode } from '../../src/microsoft365/graph-error.ts';
import { type GraphSubject, toGraphError } from '../../src/microsoft365/graph-failure.ts';

const now = new Date('2026-11-21T08:00:00Z');
const answerOf = (status: number, code: string | null, headers: Record<string, string> = {}) => ({
  status,
  header: (name: string) => headers[name] ?? null,
  body:
    code === null
      ? '<html>'
      : { error: { code, message: 'Sentence of Microsoft.', innerError: { 'request-id': 'r' } } },
});

test.each<[number, string | null, GraphSubject, GraphErrorCode]>([
  [404, 'ErrorItemNotFound', 'ITEM', 'ITEM_NOT_FOUND'],
  [404, 'ErrorItemNotFound', 'FOLDER', 'FOLDER_NOT_FOUND'],
  [400, 'ErrorInvalidIdMalformed', 'FOLDER', 'FOLDER_NOT_FOUND'],
  [404, 'errorfoldernotfound', 'ITEM', 'FOLDER_NOT_FOUND'],
  [404, 'ResourceNotFound', 'FOLDER', 'MAILBOX_NOT_FOUND'],
  [404, 'ErrorInvalidUser', 'ITEM', 'MAILBOX_NOT_FOUND'],
  [404, 'MailboxNotEnabledForRESTAPI', 'ITEM', 'MAILBOX_NOT_ENABLED'],
  [404, null, 'ITEM', 'ITEM_NOT_FOUND'],
  [403, 'ErrorAccessDenied', 'FOLDER', 'MAILBOX_ACCESS_DENIED'],
  [403, null, 'FOLDER', 'MAILBOX_ACCESS_DENIED'],
  [401, 'InvalidAuthenticationToken', 'ITEM', 'SIGN_IN_REQUIRED'],
  [409, 'ErrorFolderExists', 'MAILBOX', 'FOLDER_EXISTS'],
  [409, 'ErrorIrresolvableConflict', 'ITEM', 'GRAPH_UNAVAILABLE'],
  [409, null, 'ITEM', 'GRAPH_UNAVAILABLE'],
  [429, 'ApplicationThrottled', 'ITEM', 'THROTTLED'],
  [509, null, 'ITEM', 'THROTTLED'],
  [503, 'ErrorTooManyObjectsOpened', 'ITEM', 'THROTTLED'],
  [507, 'ErrorQuotaExceeded', 'ITEM', 'QUOTA_EXCEEDED'],
  [400, 'ErrorInvalidRecipients', 'ITEM', 'RECIPIENT_REFUSED'],
  [403, 'ErrorSendAsDenied', 'ITEM', 'SEND_AS_DENIED'],
  [413, 'ErrorMessageSizeExceeded', 'ITEM', 'MESSAGE_TOO_LARGE'],
  [413, null, 'ITEM', 'MESSAGE_TOO_LARGE'],
  [429, 'ErrorExceededMessageLimit', 'ITEM', 'SENDING_LIMIT_REACHED'],
  [400, 'ErrorSubmissionQuotaExceeded', 'ITEM', 'SENDING_LIMIT_REACHED'],
  [403, 'ErrorAccountSuspend', 'ITEM', 'SENDING_BLOCKED'],
  [500, 'ErrorInternalServerError', 'FOLDER', 'GRAPH_UNAVAILABLE'],
  [502, null, 'ITEM', 'GRAPH_UNAVAILABLE'],
  [410, 'syncStateNotFound', 'FOLDER', 'DELTA_EXPIRED'],
  [400, 'SyncStateInvalid', 'FOLDER', 'DELTA_EXPIRED'],
  [404, 'ResyncRequired', 'FOLDER', 'DELTA_EXPIRED'],
  [302, null, 'ITEM', 'FOREIGN_LINK'],
  [400, 'BadRequest', 'ITEM', 'REQUEST_REFUSED'],
])('%i %s about %s is %s', (status, code, subject, expected) => {
  expect(toGraphError(answerOf(status, code), subject, now).code).toBe(expected);
});

test.each<[number, string | null, Record<string, string>, boolean]>([
  [500, 'ErrorInternalServerError', {}, true],
  [502, null, {}, true],
  [503, null, {}, true],
  [503, null, { 'retry-after': '5' }, false],
  [503, 'ErrorTooManyObjectsOpened', {}, false],
  [504, null, {}, true],
  [408, null, {}, true],
  [429, 'ApplicationThrottled', {}, false],
  [429, 'ErrorExceededMessageLimit', {}, false],
  [507, 'ErrorQuotaExceeded', {}, false],
  [403, 'ErrorSendAsDenied', {}, false],
  [404, 'ErrorItemNotFound', {}, false],
  [413, null, {}, false],
  [401, null, {}, false],
])('after %i %s %o it is unclear whether it was done: %s', (status, code, headers, isUnclear) => {
  expect(toGraphError(answerOf(status, code, headers), 'ITEM', now).isUnclear).toBe(isUnclear);
});

test('no answer, and a success that cannot be read, leave it unclear; what was never sent does not', () => {
  const unclear = ['GRAPH_UNAVAILABLE', 'GRAPH_TIMEOUT', 'UNEXPECTED_ANSWER', 'ANSWER_TOO_LARGE'] as const;
  for (const code of unclear) expect(new GraphError(code, '').isUnclear).toBe(true);
  const clear = [
    'THROTTLED',
    'LOGIN_UNAVAILABLE',
    'SIGN_IN_REQUIRED',
    'FOREIGN_LINK',
    'MESSAGE_TOO_LARGE',
  ] as const;
  for (const code of clear) expect(new GraphError(code, '').isUnclear).toBe(false);
});

describe('the error', () => {
  test('keeps what support asks for, and says since when', () => {
    const error = toGraphError(
      answerOf(403, 'ErrorAccessDenied', { 'request-id': 'r-header' }),
      'FOLDER',
      now,
    );
    expect(error.toProblem(now)).toEqual({
      code: 'MAILBOX_ACCESS_DENIED',
      message: expect.any(String),
      remedy: expect.any(String),
      since: '2026-11-21T08:00:00.000Z',
      microsoftCode: 'ErrorAccessDenied',
      requestId: 'r-header',
    });
    expect(
      toGraphError(answerOf(503, 'x', { 'retry-after': '1.5' }), 'ITEM', now).retryAfterMilliseconds,
    ).toBe(1_500);
  });

  test('of an expired cursor has a class of its own', () => {
    expect(toGraphError(answerOf(410, null), 'FOLDER', now)).toBeInstanceOf(DeltaExpiredError);
  });
});
