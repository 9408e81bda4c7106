import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Problem } from '../platform/problem.ts';
import type { SentCopy } from './outbound-message.entity.ts';
import { isNearLimit, type SendLimits, type SendUsage } from './send-limits.ts';

/** What was last seen of the copies of a mailbox, by identity. */
export interface SeenCopy {
  /** What it was sent as. */
  emailAddress: string;
  sentCopy: SentCopy;
  checkedAt: Date;
}

/** What an administrator should know of sending from a mailbox: once per mailbox, however many mails it concerns. Pure. */
export function sendingWarnings(
  { emailAddress }: Pick<Mailbox, 'emailAddress'>,
  usage: SendUsage,
  limits: SendLimits,
  copies: readonly SeenCopy[],
  now: Date,
): Problem[] {
  const warnings: Problem[] = [];
  if (isNearLimit(usage, limits)) warnings.push(nearLimit(emailAddress, usage, limits, now));
  const missing = copies.find(({ sentCopy }) => sentCopy === 'MISSING');
  if (missing) warnings.push(copyMissing(emailAddress, missing));
  const elsewhere = copies.find(({ sentCopy }) => sentCopy === 'ELSEWHERE');
  if (elsewhere) warnings.push(copyElsewhere(emailAddress, elsewhere));
  return warnings;
}

function nearLimit(emailAddress: string, usage: SendUsage, limits: SendLimits, now: Date): Problem {
  return {
    code: 'SENDING_LIMIT_NEAR',
    message: `${emailAddress} has sent ${usage.messagesLastMinute} of ${limits.messagesPerMinute} mails of a minute and to ${usage.recipientsLastDay} of ${limits.recipientsPerDay} recipients of a day. What is above waits here; and Microsoft blocks accounts that send much automatic mail, or mail that recipients report, altogether.`,
    remedy:
      'Send fewer notifications (they are switched per mailbox and group), spread them over several mailboxes, or take a service for bulk mail such as Azure Communication Services or High Volume Email for what goes to many.',
    since: now.toISOString(),
  };
}

function copyMissing(mailbox: string, { emailAddress, checkedAt }: SeenCopy): Problem {
  return {
    code: 'SENT_COPY_MISSING',
    message: `What is sent as ${emailAddress} from ${mailbox} leaves no copy in its Sent Items: Exchange keeps it in another mailbox, or not at all.`,
    remedy: `In Exchange Online PowerShell: Set-Mailbox ${mailbox} -MessageCopyForSentAsEnabled $true -MessageCopyForSendOnBehalfEnabled $true. Look also for retention policies and rules that move sent mail.`,
    since: checkedAt.toISOString(),
  };
}

function copyElsewhere(mailbox: string, { emailAddress, checkedAt }: SeenCopy): Problem {
  return {
    code: 'SENT_COPY_ELSEWHERE',
    message: `The copies of what is sent as ${emailAddress} lie in another folder of ${mailbox} than Sent Items.`,
    remedy:
      'Look for rules, add-ins or people that move sent mail. It is found nevertheless: nothing is sent twice for it.',
    since: checkedAt.toISOString(),
  };
}

/**
 * What was last seen of the copies of what was sent in the last 30 days, by identity: at most 500. Of what has perhaps not
 * gone out no copy says anything about the mailbox.
 */
export async function readSeenCopies(
  em: EntityManager,
  organizationId: string,
  mailboxId: string,
): Promise<SeenCopy[]> {
  const rows = await em.execute<
    { email_address: string; sent_copy: SentCopy; sent_copy_checked_at: string | Date }[]
  >(
    `select identity.email_address, seen.sent_copy, seen.sent_copy_checked_at
       from identity cross join lateral (
         select sent_copy, sent_copy_checked_at from outbound_message as sent
          where sent.organization_id = identity.organization_id and sent.mailbox_id = identity.mailbox_id
            and sent.identity_id = identity.id and sent.sent_copy_checked_at > now() - interval '30 days'
            and sent.problem is null
          order by sent_copy_checked_at desc limit 1
       ) as seen
      where identity.organization_id = ? and identity.mailbox_id = ? limit 500`,
    [organizationId, mailboxId],
  );
  return rows.map((row) => ({
    emailAddress: row.email_address,
    sentCopy: row.sent_copy,
    checkedAt: new Date(row.sent_copy_checked_at),
  }));
}
