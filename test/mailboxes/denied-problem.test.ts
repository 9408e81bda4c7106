import { expect, test } from 'vitest';
import { deniedProblem } from '../../src/mailboxes/denied-problem.ts';

const PROBLEM = { code: 'SEND_AS_DENIED', message: 'No.', remedy: 'Ask.', since: '2026-11-21T12:00:00.000Z' };
const mailbox = { emailAddress: 'support@contoso.example' };
const agent = { kind: 'USER' as const, emailAddress: 'anna@contoso.example' };
const app = { kind: 'TENANT' as const, emailAddress: '' };
const LIST = 'news@contoso.example';

test('the primary address of a shared mailbox: the right of the person, and a test message ends it', () => {
  const { code, since, message, remedy } = deniedProblem(
    PROBLEM,
    { mailbox, account: agent },
    mailbox.emailAddress,
  );
  expect({ code, since }).toEqual({ code: PROBLEM.code, since: PROBLEM.since });
  expect(message).toBe('anna@contoso.example has not the right Send As for support@contoso.example.');
  expect(remedy).toContain("-Identity 'support@contoso.example' -Trustee 'anna@contoso.example'");
  expect(remedy).toContain('verifyMailboxAccess with `testMessageTo`');
  expect(remedy).not.toContain('addSendAsAddress');
});

test('another address: adding it again ends it; of an app it is the right of the mailbox', () => {
  for (const [account, trustee] of [
    [agent, agent.emailAddress],
    [app, mailbox.emailAddress],
  ] as const) {
    const { remedy } = deniedProblem(PROBLEM, { mailbox, account }, LIST);
    expect(remedy).toContain(`-Identity '${LIST}' -Trustee '${trustee}'`);
    expect(remedy).toContain('addSendAsAddress');
    expect(remedy).not.toContain('testMessageTo');
  }
});

test('nobody is told to give a mailbox the right for itself', () => {
  const { message, remedy } = deniedProblem(PROBLEM, { mailbox, account: app }, mailbox.emailAddress);
  expect(message).toBe('Microsoft does not let support@contoso.example send as itself.');
  expect(remedy).not.toContain('Add-RecipientPermission');
  expect(remedy).toContain('refreshAccount');
  expect(remedy).toContain('testMessageTo');
});
