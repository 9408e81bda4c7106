import { systemClock } from '../../src/platform/clock.ts';
import { deliverMany } from '../support/mail.ts';
import type { Stage } from './organizations.ts';
import type { PlannedDelivery, PlannedMail } from './plan-traffic.ts';
import type { Timetable } from './timetable.ts';

/** What was sent, and when, in milliseconds since 1970. */
export type SentMails = Map<string, { mailbox: string; sentAt: number }>;

/** Lets the mails arrive at their times; one delivery after the other, however late it is. */
export async function sendTraffic(
  emulatorUrl: string,
  stage: Stage,
  deliveries: readonly PlannedDelivery[],
  timetable: Timetable,
  sent: SentMails,
): Promise<void> {
  const addresses = new Map(stage.mailboxes.map(({ name, address }) => [name, address]));
  for (const { at, mails } of deliveries) {
    await timetable.until(at);
    const sentAt = systemClock.now().getTime();
    for (const { messageId, mailbox } of mails) sent.set(messageId, { mailbox, sentAt });
    await deliverMany(
      emulatorUrl,
      mails.map((mail) => toMail(mail, addresses.get(mail.mailbox) ?? '')),
    );
  }
}

function toMail({ messageId, inReplyTo, subject, from, attachmentBytes }: PlannedMail, to: string) {
  return {
    to,
    from,
    subject,
    messageId,
    text: `This is ${messageId}.`,
    ...(inReplyTo === null ? {} : { inReplyTo }),
    ...(attachmentBytes === null
      ? {}
      : {
          attachments: [
            { name: 'file.bin', contentBytes: Buffer.alloc(attachmentBytes, messageId).toString('base64') },
          ],
        }),
  };
}
