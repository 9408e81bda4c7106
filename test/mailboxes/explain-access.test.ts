import { expect, test } from 'vitest';
import { type AccessAttempt, explainRefusal, mayOpenShared } from '../../src/mailboxes/explain-access.ts';
import { readMailboxAddress } from '../../src/mailboxes/mailbox-address.ts';
import { GraphError, type GraphErrorCode } from '../../src/microsoft365/graph-error.ts';

const attempt: AccessAttempt = {
  emailAddress: "o'support@contoso.example",
  isOwn: false,
  account: { kind: 'USER', emailAddress: 'sam@contoso.example', grantedScopes: ['Mail.ReadWrite.Shared'] },
  clientId: 'the-client',
  members: null,
};
const explain = (code: GraphErrorCode, rest: Partial<AccessAttempt> = {}) =>
  explainRefusal(new GraphError(code, 'what Microsoft said', { microsoftCode: 'Theirs', requestId: 'r-1' }), {
    ...attempt,
    ...rest,
  });
const tenant = (grantedScopes: string[]): AccessAttempt['account'] => ({
  kind: 'TENANT',
  emailAddress: '',
  grantedScopes,
});

test('an address with an apostrophe stays one string in the commands of PowerShell', () => {
  expect(explain('MAILBOX_ACCESS_DENIED').remedy).toContain("-Identity 'o''support@contoso.example' -User");
  // Typographic ones end a string there as well.
  expect(explain('SEND_AS_DENIED', { emailAddress: 'a’b@contoso.example' }).remedy).toContain("'a’’b@");
});

test.each<[GraphErrorCode, Partial<AccessAttempt>, string, RegExp]>([
  ['MAILBOX_NOT_FOUND', {}, 'MAILBOX_NOT_FOUND', /Exchange admin center/],
  ['MAILBOX_NOT_FOUND', { members: 1 }, 'MAILBOX_NOT_FOUND', /Exchange admin center/],
  ['MAILBOX_NOT_FOUND', { members: 2 }, 'MAILBOX_IS_GROUP', /shared mailbox/],
  ['MAILBOX_NOT_ENABLED', {}, 'MAILBOX_NOT_ENABLED', /licence/],
  ['MAILBOX_ACCESS_DENIED', {}, 'MAILBOX_ACCESS_DENIED', /Add-MailboxPermission/],
  ['MAILBOX_ACCESS_DENIED', { isOwn: true }, 'CONSENT_REQUIRED', /startSignIn/],
  ['MAILBOX_ACCESS_DENIED', { account: tenant([]) }, 'CONSENT_REQUIRED', /startAdminConsent/],
  [
    'MAILBOX_ACCESS_DENIED',
    { account: tenant(['Mail.ReadWrite']) },
    'MAILBOX_ACCESS_DENIED',
    /Test-ApplicationAccessPolicy .*-AppId 'the-client'/,
  ],
  ['SEND_AS_DENIED', {}, 'SEND_AS_DENIED', /Add-RecipientPermission/],
])('%s with %o is %s', (code, rest, expected, remedy) => {
  expect(explain(code, rest)).toMatchObject({
    code: expected,
    remedy: expect.stringMatching(remedy),
    microsoft: { microsoftCode: 'Theirs', requestId: 'r-1' },
  });
});

test('what is not about access stays as it is', () => {
  for (const code of ['THROTTLED', 'SIGN_IN_REQUIRED', 'GRAPH_UNAVAILABLE'] as const) {
    expect(explain(code)).toBeInstanceOf(GraphError);
  }
});

test('only the .Shared permission opens shared mailboxes for people; an application needs none', () => {
  const user = (grantedScopes: string[]) => mayOpenShared({ ...attempt.account, grantedScopes });
  expect([user(['Mail.ReadWrite']), user(['mail.readwrite.shared']), mayOpenShared(tenant([]))]).toEqual([
    false,
    true,
    true,
  ]);
});

test('an address becomes a part of a path: what could lead elsewhere is none', () => {
  expect(readMailboxAddress(' Support@Contoso.COM ', 'x')).toBe('support@contoso.com');
  expect(readMailboxAddress("o'hara+x@müller.example", 'x')).toBe("o'hara+x@müller.example");
  for (const text of [
    'support',
    '@contoso.com',
    'a@b@c.com',
    'a/../me@contoso.com',
    'a?b@contoso.com',
    'a#b@contoso.com',
    'a b@contoso.com',
    'a\u0000@contoso.com',
    'a\u202e@contoso.com',
    `${'a'.repeat(250)}@contoso.com`,
    'a@localhost',
  ]) {
    expect(() => readMailboxAddress(text, 'x'), text).toThrow('not the address of a mailbox');
  }
});
