import { z } from 'zod';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { chooseIdentity, findSenders, inOrder } from '../mailboxes/choose-identity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { CannotSendError } from '../mailboxes/sending-errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { parseInput } from '../platform/parse-input.ts';
import { readableTime } from '../platform/zoned-time.ts';
import { composeBody } from './compose.ts';
import type { OutboundMessage } from './outbound-message.entity.ts';
import { queueOutbound } from './queue-outbound.ts';
import type { ReplyActor } from './reply.ts';
import { correspondent } from './reply-input.ts';

const testEmail = z.object({
  mailboxId: z.uuid().nullish(),
  identityId: z.uuid().nullish(),
  to: correspondent,
});

export type TestEmail = z.input<typeof testEmail>;

/**
 * Queues a test message, as what the identity or the mailbox sends. What recipients see of its sender is read back from
 * its copy in Sent Items (`OutboundMessage.shownFrom`).
 *
 * Throws InvalidInputError unless exactly one of the two is named, NotFoundError and CannotSendError.
 */
export async function sendTestEmail(
  em: EntityManager,
  input: TestEmail,
  { actor, now }: ReplyActor,
): Promise<OutboundMessage> {
  const given = parseInput(testEmail, input);
  const { organizationId, userId } = actor;
  if ((given.mailboxId == null) === (given.identityId == null)) {
    throw new InvalidInputError('identityId', 'Name a mailbox or an identity.', 'Give one of the two.');
  }
  return em.transactional(async (inside) => {
    const chosen = await chooseIdentity(inside, {
      organizationId,
      mailboxId: null,
      addressedTo: [],
      wantedIdentityId: given.identityId ?? (await identityOf(inside, given.mailboxId ?? '')),
      userId,
      now,
    });
    const { emailAddress } = chosen.from;
    const at = readableTime(now, chosen.mailbox.timeZone);
    const body = composeBody({
      text: `This is a test message. Deskgraph sent it as ${emailAddress} at ${at}.\n\nIf you can read it, sending works; look at the name and the address that it shows as its sender.`,
      html: null,
      signature: chosen.signature,
      quote: null,
      contentIds: new Map(),
    });
    return await queueOutbound(inside, {
      organizationId,
      kind: 'TEST',
      chosen,
      ticketId: null,
      messageId: null,
      authorId: userId,
      idempotencyKey: null,
      to: [given.to],
      cc: [],
      bcc: [],
      subject: `Test message of ${emailAddress}`,
      bodyHtml: body.html,
      bodyText: body.text,
      inReplyTo: null,
      references: [],
      answersGraphMessageId: null,
      isAutomatic: true,
      filesBytes: 0,
      now,
    });
  });
}

/** What the mailbox sends as by itself: its default, else its primary address. */
async function identityOf(em: EntityManager, mailboxId: string): Promise<string> {
  if ((await em.count(Mailbox, { id: mailboxId })) === 0) throw new NotFoundError('The mailbox');
  const [first] = inOrder(await findSenders(em, mailboxId), []);
  if (first) return first.identity.id;
  throw new CannotSendError(
    'NO_IDENTITY',
    'The mailbox has no identity to send as.',
    'Run refreshAccount, which looks for its addresses.',
  );
}
