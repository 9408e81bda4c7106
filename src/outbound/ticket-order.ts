/*
 * The order of the mails of a ticket, in SQL. It promises that the customer gets what people write in the order in which
 * they wrote it, and gives way where keeping it would make one mailbox wait for another:
 *
 * - From one mailbox the order is strict: the later mail could not go anywhere else, and whoever does not want to wait for
 *   the earlier one cancels it.
 * - A notification goes first only while it goes by itself. Nobody waits for it: once something is the matter with it, or
 *   when it is sent from another mailbox, what people write overtakes it.
 * - A reply from another mailbox goes first for a minute. That is time enough for what was written before to be ahead also
 *   when Microsoft is slow for a moment. Whatever keeps it longer (an account that is blocked or has to sign in, a limit of
 *   a day, a send whose outcome is unclear, which nobody can cancel) is the other mailbox's trouble, and may last for days:
 *   who then answers from this one means to get round it. The customer may then get the older one last; the alternative is
 *   that they get neither.
 *
 * What overtakes is sent once, and so is what is overtaken: the order decides when a mail is taken, never whether again.
 */

/** How long a reply goes before later mails of its ticket that are sent from other mailboxes. An interval of SQL. */
export const FIRST_ACROSS_MAILBOXES = "interval '1 minute'";

/**
 * Whether a mail goes before a later one of its ticket that is sent from the same mailbox. SQL, of two aliases of
 * `outbound_message`. A notification that waits for our own limits does, since it takes the part of the later one then, and
 * so waits no longer than that.
 */
export function goesBefore(earlier: string, later: string): string {
  return `(${areInTurn(earlier, later)} and ${holdsItsMailbox(earlier, later)})`;
}

/**
 * Whether a mail goes before a later one of its ticket that is sent from another mailbox, for
 * {@link FIRST_ACROSS_MAILBOXES} after it was queued. SQL, as {@link goesBefore}.
 */
export function goesBeforeAcross(earlier: string, later: string): string {
  return `(${areInTurn(earlier, later)} and ${holdsAnother(earlier, later)})`;
}

/** Whether a mail has to wait for another of its ticket now. SQL, as {@link goesBefore}. */
export function isHeldBy(earlier: string, later: string): string {
  return `(${areInTurn(earlier, later)} and (${holdsItsMailbox(earlier, later)} or (${holdsAnother(earlier, later)}
    and ${earlier}.created_at > clock_timestamp() - ${FIRST_ACROSS_MAILBOXES})))`;
}

function areInTurn(earlier: string, later: string): string {
  return `${earlier}.organization_id = ${later}.organization_id and ${earlier}.ticket_id = ${later}.ticket_id
    and ${earlier}.position < ${later}.position and ${earlier}.state in ('QUEUED', 'SENDING')`;
}

function holdsItsMailbox(earlier: string, later: string): string {
  return `(${earlier}.mailbox_id = ${later}.mailbox_id and (${earlier}.priority <= ${later}.priority
    or ${earlier}.problem is null or ${earlier}.problem ->> 'code' = 'SENDING_LIMIT_REACHED'))`;
}

function holdsAnother(earlier: string, later: string): string {
  return `(${earlier}.mailbox_id <> ${later}.mailbox_id and ${earlier}.kind <> 'NOTIFICATION')`;
}
