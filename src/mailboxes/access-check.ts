import type { Account } from '../microsoft365/account.entity.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { MailboxAccess } from '../microsoft365/mail.ts';
import { attemptOf, type MailboxAccessDeps } from './add-mailbox.ts';
import { explainRefusal } from './explain-access.ts';
import { MailboxAccessError } from './mailbox-access-errors.ts';

/** What is tried. */
export const ACCESS_CHECKS = ['READ', 'WRITE', 'SEND', 'LIMITED'] as const;
export type AccessCheckName = (typeof ACCESS_CHECKS)[number];

/** What came of a check; `UNKNOWN`: it was not tried, or could not be decided, and `cause` says why. */
export interface AccessCheck {
  name: AccessCheckName;
  result: 'PASSED' | 'FAILED' | 'UNKNOWN';
  /** A code of the API; null when it passed, or nothing is wrong with an unknown. */
  code: string | null;
  /** Null when it passed. */
  cause: string | null;
  remedy: string | null;
  microsoftCode: string | null;
  requestId: string | null;
}

/** The mailbox that is looked at, and through which account. */
export interface Subject {
  access: MailboxAccess;
  account: Account;
}

/** The access of an account to a mailbox that need not be connected. */
export function accessThrough(account: Account, emailAddress: string): MailboxAccess {
  const isOwn = account.kind === 'USER' && account.emailAddress === emailAddress;
  const kind = account.kind === 'TENANT' ? 'TENANT' : isOwn ? 'PRIMARY' : 'SHARED';
  return { organizationId: account.organization.id, accountId: account.id, emailAddress, kind };
}

/** Runs a check; a refusal is its result, explained for this account and mailbox. */
export async function tried(
  { inspection, signal }: MailboxAccessDeps,
  { access, account }: Subject,
  name: AccessCheckName,
  work: () => Promise<void>,
): Promise<AccessCheck> {
  try {
    await work();
    return passed(name);
  } catch (thrown) {
    let error = thrown as GraphError | MailboxAccessError;
    if (thrown instanceof GraphError) {
      const own = account.kind === 'USER' ? accessThrough(account, account.emailAddress) : null;
      const mayBeGroup = thrown.code === 'MAILBOX_NOT_FOUND' && own !== null;
      const members = mayBeGroup
        ? await inspection.countMembers(own, access.emailAddress, signal).catch(() => null)
        : null;
      const attempt = await attemptOf(account, access.emailAddress);
      error = explainRefusal(thrown, { ...attempt, isOwn: access.kind === 'PRIMARY', members });
    } else if (!(thrown instanceof MailboxAccessError)) throw thrown;
    const isUndecided = error instanceof GraphError && error.isTransient;
    return {
      name,
      result: isUndecided ? 'UNKNOWN' : 'FAILED',
      code: error.code,
      cause: error.message,
      remedy: error.remedy,
      ...(thrown instanceof GraphError ? microsoftOf(thrown) : { microsoftCode: null, requestId: null }),
    };
  }
}

/** A check that passed. */
export function passed(name: AccessCheckName): AccessCheck {
  return {
    name,
    result: 'PASSED',
    code: null,
    cause: null,
    remedy: null,
    microsoftCode: null,
    requestId: null,
  };
}

/** A check that was not tried, or could not be decided. */
export function unknown(name: AccessCheckName, cause: string, remedy: string | null = null): AccessCheck {
  return { ...passed(name), result: 'UNKNOWN', cause, remedy };
}

/** What Microsoft said of it. */
export function microsoftOf({
  microsoftCode,
  requestId,
}: GraphError): Pick<AccessCheck, 'microsoftCode' | 'requestId'> {
  return { microsoftCode, requestId };
}
