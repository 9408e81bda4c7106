import { InvalidInputError, NotFoundError } from '../errors.ts';
import { Account } from '../microsoft365/account.entity.ts';
import { confirmMailAccess } from '../microsoft365/application-account.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { EntityManager } from '../platform/database.ts';
import {
  type AccessCheck,
  accessThrough,
  microsoftOf,
  passed,
  type Subject,
  tried,
  unknown,
} from './access-check.ts';
import type { MailboxAccessDeps } from './add-mailbox.ts';
import { mayOpenShared, SHARED_PERMISSION, sharedConsentError } from './explain-access.ts';
import { accessOf, accountOf, getMailbox } from './mailboxes.ts';
import { sendCheck } from './send-check.ts';

/** Which mailbox is looked at, and how far. */
export interface VerifyRequest {
  /** A connected mailbox; or the two that follow. */
  mailboxId: string | null;
  accountId: string | null;
  emailAddress: string | null;
  /** A mailbox of the tenant that the account must not be able to open. */
  forbiddenAddress: string | null;
  /** Sends a message there from the mailbox: there is no other way to know whether it may. */
  testMessageTo: string | null;
}

/**
 * Tries what an account may do with a mailbox, one check after another, and says for each what came of it. Changes
 * nothing in the mailbox: the draft of the second check is removed at once. A mailbox that can be read proves an
 * application's access (`confirmMailAccess`), and a message that went out ends what was denied (`confirmSending`).
 *
 * Throws `NotFoundError`, `InvalidInputError` when it is not said which mailbox; everything else is a check's result.
 */
export async function verifyAccess(
  em: EntityManager,
  deps: MailboxAccessDeps,
  request: VerifyRequest,
): Promise<AccessCheck[]> {
  const subject = await subjectOf(em, request);
  // Side by side: during an outage each takes as long as a person waits.
  const [own, limited] = await Promise.all([
    ownChecks(em, deps, subject, request.testMessageTo),
    limitCheck(deps, subject, request.forbiddenAddress),
  ]);
  return limited === null ? own : [...own, asFarAsItMayRead(limited, own, subject)];
}

/** An app that is let into no mailbox at all is kept out of the forbidden one as well: that says nothing about limits. */
function asFarAsItMayRead(
  limited: AccessCheck,
  own: readonly AccessCheck[],
  { access, account }: Subject,
): AccessCheck {
  const mayRead = own.some(({ name, result }) => name === 'READ' && result === 'PASSED');
  if (limited.result !== 'PASSED' || account.kind === 'USER' || mayRead) return limited;
  const { microsoftCode, requestId } = limited;
  return {
    ...unknown(
      'LIMITED',
      `The app cannot read ${access.emailAddress} either, so that it is kept out elsewhere says nothing about limits.`,
      'Put right first what the check READ says, then try again.',
    ),
    microsoftCode,
    requestId,
  };
}

/** What the account may do with the mailbox itself. */
async function ownChecks(
  em: EntityManager,
  deps: MailboxAccessDeps,
  subject: Subject,
  testMessageTo: string | null,
): Promise<AccessCheck[]> {
  const { inspection, signal, clock } = deps;
  const { access, account } = subject;
  const reading = await tried(deps, subject, 'READ', async () => {
    if (access.kind === 'SHARED' && !mayOpenShared(account)) throw sharedConsentError(access.emailAddress);
    await inspection.readInbox(access, signal);
  });
  if (reading.result !== 'PASSED') {
    return [
      reading,
      unknown('WRITE', 'The mailbox cannot be read, so nothing was written.'),
      unknown('SEND', 'The mailbox cannot be read, so nothing was sent.'),
    ];
  }
  await em.fork().transactional((tx) => confirmMailAccess(tx, account.id, clock.now()));
  const writing = await tried(deps, subject, 'WRITE', () => inspection.tryWriting(access, signal));
  return [reading, writing, await sendCheck(em, deps, subject, testMessageTo)];
}

async function subjectOf(em: EntityManager, request: VerifyRequest): Promise<Subject> {
  const { mailboxId, accountId, emailAddress } = request;
  if (mailboxId !== null) {
    if (accountId !== null || emailAddress !== null) throw ambiguous();
    const mailbox = await getMailbox(em, mailboxId);
    return { access: accessOf(mailbox), account: await accountOf(mailbox) };
  }
  if (accountId === null || emailAddress === null) throw ambiguous();
  const account = await em.findOne(Account, { id: accountId });
  if (!account) throw new NotFoundError('The account');
  return { access: accessThrough(account, emailAddress), account };
}

function ambiguous(): InvalidInputError {
  return new InvalidInputError(
    'mailboxId',
    'It takes either `mailboxId`, or `accountId` together with `emailAddress`.',
    'Give the id of a connected mailbox, or an account and the address to try with it.',
  );
}

/** Whether a mailbox that must not be reachable is not; null where nobody asked and no policy of Exchange applies. */
async function limitCheck(
  { inspection, signal }: MailboxAccessDeps,
  { account }: Subject,
  forbiddenAddress: string | null,
): Promise<AccessCheck | null> {
  if (forbiddenAddress === null) {
    if (account.kind !== 'TENANT') return null;
    return unknown(
      'LIMITED',
      'Whether the app is limited to some mailboxes was not tried.',
      'Name a mailbox of the tenant that it must not be able to open.',
    );
  }
  try {
    await inspection.readInbox(accessThrough(account, forbiddenAddress), signal);
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    if (error.code === 'MAILBOX_ACCESS_DENIED') {
      if (mayOpenShared(account)) return { ...passed('LIMITED'), ...microsoftOf(error) };
      return {
        ...unknown(
          'LIMITED',
          `The account has not been granted ${SHARED_PERMISSION}, so it opens no mailbox of others, whatever rights it has in Exchange.`,
          'Sign in with it for shared mailboxes (purpose SHARED_MAILBOXES), then try again: only then Exchange decides.',
        ),
        ...microsoftOf(error),
      };
    }
    if (error.code === 'MAILBOX_NOT_FOUND' || error.code === 'MAILBOX_NOT_ENABLED') {
      return {
        ...unknown(
          'LIMITED',
          `${forbiddenAddress} has no mailbox in the tenant, so it says nothing about limits.`,
          'Name a mailbox that exists and that must not be reachable.',
        ),
        ...microsoftOf(error),
      };
    }
    return { ...unknown('LIMITED', error.message, error.remedy), ...microsoftOf(error) };
  }
  const { clientId } = await account.integration.loadOrFail();
  return {
    ...passed('LIMITED'),
    result: 'FAILED',
    code: 'ACCESS_NOT_LIMITED',
    cause: `${forbiddenAddress} can be opened.`,
    remedy: limitingRemedy(account, clientId, forbiddenAddress),
  };
}

/** How to keep an account out of a mailbox that it must not open: in Exchange, for an app or for a person. */
export function limitingRemedy(
  { kind, emailAddress }: Pick<Account, 'kind' | 'emailAddress'>,
  clientId: string,
  forbiddenAddress: string,
): string {
  return kind === 'TENANT'
    ? `Take the Entra permission Mail.ReadWrite from the app and assign the role in Exchange Online PowerShell instead: New-ManagementScope, then New-ManagementRoleAssignment -App '${clientId}' -Role 'Application Mail.ReadWrite' -CustomResourceScope <scope>. Or limit it: New-ApplicationAccessPolicy -AppId '${clientId}' -PolicyScopeGroupId <mail-enabled security group> -AccessRight RestrictAccess. Either takes up to two hours to work.`
    : `Take Full Access to ${forbiddenAddress} from ${emailAddress} in the Exchange admin center (Recipients > Mailboxes > Delegation).`;
}
