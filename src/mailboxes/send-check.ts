import type { MailboxAccess } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { type AccessCheck, passed, type Subject, tried, unknown } from './access-check.ts';
import type { MailboxAccessDeps } from './add-mailbox.ts';
import { confirmSending } from './identities.ts';
import { Mailbox } from './mailbox.entity.ts';
import { accessOf, accountOf } from './mailboxes.ts';
import { whyMailboxMayNotBeEnabled } from './outgoing-settings.ts';

/** Whether the account of a connected mailbox may send as it. */
export async function checkSending(
  em: EntityManager,
  deps: MailboxAccessDeps,
  mailbox: Mailbox,
  recipient: string | null,
): Promise<AccessCheck> {
  const account = await accountOf(mailbox);
  return await sendCheck(em, deps, { access: accessOf(mailbox), account }, recipient);
}

/** Whether Microsoft lets the account send as the mailbox. Only a message that is sent tells: it ends what was denied. */
export async function sendCheck(
  em: EntityManager,
  deps: MailboxAccessDeps,
  subject: Subject,
  recipient: string | null,
): Promise<AccessCheck> {
  const { access, account } = subject;
  const wanted = access.kind === 'SHARED' ? 'mail.send.shared' : 'mail.send';
  const isGranted = account.grantedScopes.some((name) => name.toLowerCase() === wanted);
  // Role assignments of Exchange do not show among the granted ones: there trying is all there is.
  if (!isGranted && (account.kind === 'USER' || recipient === null)) {
    const isWanted = recipient !== null || (await isOutgoing(em, access));
    const missing = isWanted ? whyMailboxMayNotBeEnabled({ ...access, removedAt: null }, account) : null;
    if (missing) {
      const { code, message: cause, remedy } = missing;
      return { ...passed('SEND'), result: 'FAILED', code, cause, remedy };
    }
    return unknown(
      'SEND',
      'The account has not been granted the permission to send mail, which nothing in use needs.',
      'Nothing to do as long as mail is only received.',
    );
  }
  if (recipient === null) {
    return unknown(
      'SEND',
      'Microsoft tells only when a message is sent, and none was.',
      'Give `testMessageTo`: a message of one sentence goes there.',
    );
  }
  const { inspection, signal, clock } = deps;
  const check = await tried(deps, subject, 'SEND', () => inspection.trySending(access, recipient, signal));
  if (check.result === 'PASSED') await confirmSending(em.fork(), access, clock.now());
  return check;
}

/** Whether mail of the mailbox waits for the permission to send. */
async function isOutgoing(em: EntityManager, { accountId, emailAddress }: MailboxAccess): Promise<boolean> {
  const mailbox = { account: accountId, emailAddress, outgoingEnabled: true, removedAt: null };
  return (await em.count(Mailbox, mailbox)) > 0;
}
