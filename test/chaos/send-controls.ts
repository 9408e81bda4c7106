import { control } from '../support/app.ts';
import type { Check } from './checker.ts';
import type { Fleet } from './fleet.ts';
import { checkSending, type SendRecord } from './send-checker.ts';
import type { QueuedReply } from './send-traffic.ts';

/** Something that is made wrong on purpose, and what the checker says of it. */
export interface Control {
  name: string;
  /** The check that has to find it. */
  finder: string;
  /** The checks that found something. */
  failed: string[];
}

/**
 * Makes wrong what a run has done right, and lets the checker look: whether a lost mail, a swapped order and a doubled mail
 * would have been seen. The doubled one is real and goes to a customer, so call this when all else was looked at.
 */
export async function tryControls({
  fleet,
  record,
}: {
  fleet: Pick<Fleet, 'emulator'>;
  record: () => Promise<SendRecord>;
}): Promise<Control[]> {
  const before = await record();
  const [reply] = before.queued;
  if (!reply) throw new Error('No reply was queued.');
  const controls: Control[] = [
    {
      name: 'a lost reply',
      finder: 'no reply is lost: each reached its recipient',
      failed: failedChecks(
        checkSending({
          ...before,
          deliveries: before.deliveries.filter((one) => one.outboundMessage !== reply.outboundMessageId),
        }),
      ),
    },
  ];
  const [first, second] = neighbours(before.queued);
  if (first && second) {
    controls.push({
      name: 'replies out of order',
      finder: 'the replies of a ticket that went from one mailbox arrived in their order',
      failed: failedChecks(checkSending(swapped(before, first, second))),
    });
  }
  await sendAgain(fleet.emulator.url, reply);
  controls.push({
    name: 'a doubled reply',
    finder: 'no reply is doubled: each arrived once',
    failed: failedChecks(checkSending(await record())),
  });
  return controls;
}

/** Names of the checks that found something. */
export function failedChecks(checks: readonly Check[]): string[] {
  return checks.filter(({ faults }) => faults.length > 0).map(({ name }) => name);
}

/** Two replies of a ticket from one mailbox, the earlier first. */
function neighbours(queued: readonly QueuedReply[]): QueuedReply[] {
  for (const first of queued) {
    const isNext = ({ ticket, from, place }: QueuedReply) =>
      ticket.id === first.ticket.id && from.mailbox === first.from.mailbox && place > first.place;
    const second = queued.find(isNext);
    if (second) return [first, second];
  }
  return [];
}

/** As if each of two replies had arrived when the other did. */
function swapped(record: SendRecord, one: QueuedReply, other: QueuedReply): SendRecord {
  const arrival = ({ outboundMessageId }: QueuedReply) =>
    record.deliveries.find(({ outboundMessage }) => outboundMessage === outboundMessageId);
  const deliveries = record.deliveries.map((delivery) => {
    if (delivery.outboundMessage === one.outboundMessageId) return arrival(other) ?? delivery;
    if (delivery.outboundMessage === other.outboundMessageId) return arrival(one) ?? delivery;
    return delivery;
  });
  return { ...record, deliveries };
}

/** A real second mail, through Microsoft, under another Message-ID: as a worker would send that forgot that it had. */
async function sendAgain(url: string, { from, ticket, outboundMessageId }: QueuedReply): Promise<void> {
  // What the run has sent in the last minute must not keep it.
  await control(url, `mailboxes/${from.mailbox}/sending`, { messagesPerMinute: 1_000 }, 'PUT');
  const domain = from.mailbox.slice(from.mailbox.indexOf('@') + 1);
  const token = await fetch(`${url}/${domain}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: 'control',
      client_secret: 'any',
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  const { access_token: accessToken } = (await token.json()) as { access_token: string };
  const answer = await fetch(`${url}/v1.0/users/${from.mailbox}/sendMail`, {
    method: 'POST',
    headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      message: {
        subject: 'Again',
        toRecipients: [{ emailAddress: { address: ticket.requester } }],
        internetMessageHeaders: [{ name: 'X-Deskgraph-Outbound-Message', value: outboundMessageId }],
      },
    }),
  });
  if (answer.status !== 202) throw new Error(`The control mail: ${answer.status} ${await answer.text()}`);
}
