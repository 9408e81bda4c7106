import { z } from 'zod';
import { User } from '../access/user.entity.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import {
  chooseIdentity,
  findSender,
  findSenders,
  inOrder,
  type Sender,
} from '../mailboxes/choose-identity.ts';
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

/** Whether a test message would go out from the user's own mailbox. */
export async function isFromOwnMailbox(
  em: EntityManager,
  { mailboxId, identityId }: Pick<TestEmail, 'mailboxId' | 'identityId'>,
  userId: string,
): Promise<boolean> {
  const mailbox =
    mailboxId == null
      ? identityId != null && (await findSender(em, identityId))?.mailbox
      : await em.findOne(Mailbox, { id: mailboxId });
  return mailbox ? mailbox.personalUserId === userId : false;
}

/**
 * Queues a test message, as what the identity or the mailbox sends. What recipients see of its sender is read back from
 * its copy in Sent Items (`OutboundMessage.shownFrom`, `shownSender`).
 *
 * For who manages mailboxes, and for {@link isFromOwnMailbox}: others are not to learn whose own mailbox it is.
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
    const sender = given.identityId
      ? await findSender(inside, given.identityId)
      : await senderOf(inside, given.mailboxId ?? '');
    const ownerId = sender?.mailbox.personalUserId ?? userId;
    if (sender && ownerId !== userId) throw await ownOfAnother(inside, sender.mailbox, ownerId);
    const chosen = await chooseIdentity(inside, {
      organizationId,
      mailboxId: null,
      addressedTo: [],
      wantedIdentityId: sender?.identity.id ?? given.identityId ?? null,
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
async function senderOf(em: EntityManager, mailboxId: string): Promise<Sender> {
  if ((await em.count(Mailbox, { id: mailboxId })) === 0) throw new NotFoundError('The mailbox');
  const [first] = inOrder(await findSenders(em, mailboxId), []);
  if (first) return first;
  throw new CannotSendError(
    'NO_IDENTITY',
    'The mailbox has no identity to send as.',
    'Run refreshAccount, which looks for its addresses.',
  );
}

/** Not even who manages mailboxes sends from it: what can be said is who does. */
async function ownOfAnother(
  em: EntityManager,
  { emailAddress }: Mailbox,
  ownerId: string,
): Promise<CannotSendError> {
  const owner = await em.findOne(User, { id: ownerId });
  const name = owner?.name ?? 'somebody';
  return new CannotSendError(
    'IDENTITY_NOT_AVAILABLE',
    `${emailAddress} is the own mailbox of ${name}: nobody else sends from it, not even a test message.`,
    `Let ${name} run sendTestEmail, which everybody may from their own mailbox; or make it the team’s with updateOutgoingSettings.`,
  );
}
