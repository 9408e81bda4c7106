import type pg from 'pg';
import { control } from '../support/app.ts';
import type { Check } from './checker.ts';
import type { SendStage } from './send-stage.ts';
import type { QueuedReply } from './send-traffic.ts';

/** A mail at a recipient, as the emulator wrote it down when it arrived. */
export interface DeliveredMail {
  outboundMessage: string | null;
  internetMessageId: string;
  recipient: string;
  outcome: string;
  count: number;
}

/** What a mailbox holds. */
interface MailboxView {
  folders: {
    wellKnownName: string | null;
    totalItemCount: number;
    messages: { internetMessageId: string; attachments: number }[];
  }[];
}

/** What there is at the end. */
export interface SendRecord {
  queued: readonly QueuedReply[];
  deliveries: DeliveredMail[];
  /** Files of the mails in the customers' inboxes, by Message-ID. */
  files: Map<string, number>;
  /** By the address of each mailbox that sends. */
  folders: Map<string, { drafts: number; outbox: number; sentItems: string[] }>;
  rows: { id: string; state: string; internet_message_id: string | null; problem: unknown }[];
}

/** Reads it from the emulator and from the database. */
export async function readSendRecord(
  emulatorUrl: string,
  database: pg.Pool,
  stage: SendStage,
  queued: readonly QueuedReply[],
): Promise<SendRecord> {
  const { deliveries } = await control<{ deliveries: DeliveredMail[] }>(emulatorUrl, 'deliveries');
  const files = new Map<string, number>();
  for (const customer of stage.customers) {
    const view = await control<MailboxView>(emulatorUrl, `mailboxes/${customer}?top=10000`);
    for (const { internetMessageId, attachments } of folderIn(view, 'inbox')?.messages ?? []) {
      files.set(internetMessageId, attachments);
    }
  }
  const folders: SendRecord['folders'] = new Map();
  for (const mailbox of stage.mailboxes) {
    const view = await control<MailboxView>(emulatorUrl, `mailboxes/${mailbox}?top=10000`);
    folders.set(mailbox, {
      drafts: folderIn(view, 'drafts')?.totalItemCount ?? 0,
      outbox: folderIn(view, 'outbox')?.totalItemCount ?? 0,
      sentItems: (folderIn(view, 'sentitems')?.messages ?? []).map((one) => one.internetMessageId),
    });
  }
  const { rows } = await database.query<SendRecord['rows'][number]>(
    'select id, state, internet_message_id, problem from outbound_message',
  );
  return { queued, deliveries, files, folders, rows };
}

/** Whether every reply reached its recipient exactly once, in its order and with its files, and left nothing behind. */
export function checkSending({ queued, deliveries, files, folders, rows }: SendRecord): Check[] {
  const byReply = new Map<string, DeliveredMail[]>();
  for (const delivery of deliveries) {
    const id = delivery.outboundMessage;
    if (id !== null) byReply.set(id, [...(byReply.get(id) ?? []), delivery]);
  }
  const arrivalsOf = ({ outboundMessageId }: QueuedReply) => byReply.get(outboundMessageId) ?? [];
  const known = new Set(queued.map(({ outboundMessageId }) => outboundMessageId));
  const rowById = new Map(rows.map((row) => [row.id, row]));
  const place = new Map(deliveries.map(({ outboundMessage }, index) => [outboundMessage ?? '', index]));
  return [
    {
      name: 'no reply is lost: each reached its recipient',
      faults: queued
        .filter((reply) => !arrivalsOf(reply).some((one) => isAtRecipient(one, reply)))
        .map(({ outboundMessageId }) => `${outboundMessageId} (${rowById.get(outboundMessageId)?.state})`),
    },
    {
      name: 'no reply is doubled: each arrived once',
      faults: queued
        .filter((reply) => arrivalsOf(reply).reduce((sum, { count }) => sum + count, 0) > 1)
        .map((reply) => `${reply.outboundMessageId}: ${JSON.stringify(arrivalsOf(reply))}`),
    },
    {
      name: 'nothing was sent that nobody asked for',
      faults: [...byReply.keys()].filter((id) => !known.has(id)),
    },
    {
      name: 'the replies of a ticket that went from one mailbox arrived in their order',
      faults: conversationsOf(queued).flatMap((replies) =>
        replies
          .slice(1)
          .filter((reply, index) => arrivedAt(place, reply) < arrivedAt(place, replies[index]))
          .map(({ ticket, place: at }) => `${ticket.id}: reply ${at} came before an earlier one`),
      ),
    },
    {
      name: 'every reply arrived with its files, each once',
      faults: queued.flatMap((reply) => {
        const [arrival] = arrivalsOf(reply);
        const found = files.get(arrival?.internetMessageId ?? '');
        return found === undefined || found === reply.files.length
          ? []
          : [`${reply.outboundMessageId}: ${found} files instead of ${reply.files.length}`];
      }),
    },
    {
      name: 'the outbox says of every reply that it was sent, under the Message-ID that it arrived with',
      faults: queued.flatMap((reply) => {
        const row = rowById.get(reply.outboundMessageId);
        const [arrival] = arrivalsOf(reply);
        const isRight = row?.state === 'SENT' && row.internet_message_id === arrival?.internetMessageId;
        return isRight ? [] : [`${JSON.stringify(row)} arrived as ${arrival?.internetMessageId}`];
      }),
    },
    {
      name: 'every mailbox has one copy of each in Sent Items',
      faults: [...folders].flatMap(([mailbox, { sentItems }]) => {
        const wanted = queued.filter(({ from }) => from.mailbox === mailbox).length;
        const isRight = sentItems.length === wanted && new Set(sentItems).size === wanted;
        return isRight ? [] : [`${mailbox}: ${sentItems.length} copies of ${wanted} replies`];
      }),
    },
    {
      name: 'no draft is left behind',
      faults: [...folders].flatMap(([mailbox, { drafts, outbox }]) =>
        drafts + outbox === 0 ? [] : [`${mailbox}: ${drafts} drafts, ${outbox} in the Outbox`],
      ),
    },
  ];
}

function isAtRecipient({ recipient, outcome }: DeliveredMail, { ticket }: QueuedReply): boolean {
  return outcome === 'DELIVERED' && recipient === ticket.requester.toLowerCase();
}

/** What one mailbox has said in a ticket. A mail of another mailbox is not waited for for ever. */
function conversationsOf(queued: readonly QueuedReply[]): QueuedReply[][] {
  const tickets = Map.groupBy(queued, ({ ticket, from }) => `${ticket.id} ${from.mailbox}`);
  return [...tickets.values()].map((replies) => replies.toSorted((one, other) => one.place - other.place));
}

function arrivedAt(place: ReadonlyMap<string, number>, reply: QueuedReply | undefined): number {
  return place.get(reply?.outboundMessageId ?? '') ?? -1;
}

function folderIn({ folders }: MailboxView, name: string): MailboxView['folders'][number] | undefined {
  return folders.find(({ wellKnownName }) => wellKnownName === name);
}
