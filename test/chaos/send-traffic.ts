import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { uuidOf } from './organizations.ts';
import { createDice, type Dice } from './random.ts';
import type { SendStage, StagedSender, StagedTicket } from './send-stage.ts';

const MEGABYTE = 1024 * 1024;
/** Tickets that are answered side by side; the replies of one ticket come one after the other. */
const SIDE_BY_SIDE = 6;
const EVERY_WITH_FILE = 10;
/** Every so-manieth of those has a file that needs an upload session. */
const EVERY_LARGE = 2;
/** Every so-manieth quotes what it answers. */
const EVERY_WITH_QUOTE = 3;
/** Every so-manieth is sent from another mailbox than the one that was written to, where there is one. */
const EVERY_FROM_ANOTHER = 4;
/** How long a request is repeated while the database or the API is away. */
const PATIENCE_MILLISECONDS = 120_000;

/** A reply that was asked for, and answered with success. */
export interface QueuedReply {
  /** The id of the row. */
  outboundMessageId: string;
  ticket: StagedTicket;
  from: StagedSender;
  includeQuote: boolean;
  /** Sizes of its files. */
  files: number[];
  /** Among the replies of its ticket, from 0. */
  place: number;
}

/** A reply that is to be asked for. */
export type PlannedReply = Omit<QueuedReply, 'outboundMessageId'>;

/** So many replies, evenly over the tickets; every tenth has a file, some a quote, some go from another mailbox. */
export function planReplies(tickets: readonly StagedTicket[], replies: number, seed: number): PlannedReply[] {
  const dice = createDice(seed, 'replies');
  return Array.from({ length: replies }, (_, number) => {
    const ticket = tickets[number % tickets.length];
    if (ticket === undefined) throw new Error('There is no ticket.');
    const place = Math.floor(number / tickets.length);
    // With the place, so that it is not the same tickets each time.
    const isFromAnother = (number + place) % EVERY_FROM_ANOTHER === 1;
    return {
      ticket,
      from: (isFromAnother ? ticket.other : null) ?? ticket.from,
      includeQuote: (number + place) % EVERY_WITH_QUOTE === 0,
      place,
      files: filesOf(dice, number),
    };
  });
}

/** One more reply for each of so many tickets, with a file: for points that nobody has passed. */
export function planMore(queued: readonly QueuedReply[], tickets: number): PlannedReply[] {
  const last = new Map(queued.map(({ ticket }) => [ticket.id, { ticket, place: 0 }]));
  for (const { ticket, place } of queued) {
    const known = last.get(ticket.id);
    if (known !== undefined) known.place = Math.max(known.place, place);
  }
  return [...last.values()].slice(0, tickets).map(({ ticket, place }) => ({
    ticket,
    from: ticket.from,
    includeQuote: false,
    place: place + 1,
    files: [4 * MEGABYTE],
  }));
}

/** Asks for each of the replies exactly once, although some requests have to be repeated. */
export async function queueReplies(
  stage: SendStage,
  plan: readonly PlannedReply[],
  { apiUrl, signal }: { apiUrl: string; signal: AbortSignal },
  onQueued: (reply: QueuedReply) => void,
): Promise<void> {
  const waiting = Map.groupBy(plan, ({ ticket }) => ticket.id).values();
  const work = async () => {
    for (const replies of waiting) {
      for (const planned of replies) {
        signal.throwIfAborted();
        const outboundMessageId = await patiently(signal, async () => {
          const uploadIds = [];
          for (const size of planned.files) uploadIds.push(await upload(stage, apiUrl, size));
          return await reply(stage, planned, uploadIds);
        });
        onQueued({ ...planned, outboundMessageId });
      }
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
}

function filesOf(dice: Dice, number: number): number[] {
  if (number % EVERY_WITH_FILE !== 0) return [];
  const isLarge = (number / EVERY_WITH_FILE) % EVERY_LARGE === 0;
  return [isLarge ? dice.whole(4 * MEGABYTE, 9 * MEGABYTE) : dice.whole(1_000, 200_000)];
}

async function reply(
  stage: SendStage,
  { ticket, place, from: { identityId }, includeQuote }: PlannedReply,
  uploadIds: string[],
): Promise<string> {
  const content = { text: `Answer ${place}`, uploadIds, identityId, includeQuote };
  const idempotencyKey = `${ticket.id}/${place}`;
  const { replyToTicket } = await stage.desk.request<{
    replyToTicket: { outboundMessage?: { id: string }; code?: string; message?: string };
  }>(
    `mutation ($input: ReplyToTicketInput!) { replyToTicket(input: $input) {
       ... on ReplyToTicketPayload { outboundMessage { id } } ... on Error { code message } } }`,
    { input: { ticketId: ticket.id, ...content, idempotencyKey } },
  );
  const { outboundMessage, code, message } = replyToTicket;
  if (!outboundMessage) throw new RefusedReplyError(`${code}: ${message}`);
  return uuidOf(outboundMessage.id);
}

async function upload({ desk }: SendStage, apiUrl: string, size: number): Promise<string> {
  const { createUpload } = await desk.request<{
    createUpload: { upload?: { id: string }; uploadUrl?: string; message?: string };
  }>(
    `mutation ($input: CreateUploadInput!) { createUpload(input: $input) {
       ... on CreateUploadPayload { upload { id } uploadUrl } ... on Error { message } } }`,
    { input: { name: `file-${size}.bin`, contentType: 'application/octet-stream', sizeBytes: size } },
  );
  if (!createUpload.upload) throw new RefusedReplyError(createUpload.message);
  const url = new URL(new URL(createUpload.uploadUrl ?? '').pathname, apiUrl);
  const response = await fetch(url, {
    method: 'PUT',
    headers: { authorization: `Bearer ${desk.apiKey}` },
    body: randomBytes(size),
  });
  if (!response.ok) throw new Error(`The upload answered ${response.status}: ${await response.text()}`);
  await response.arrayBuffer();
  return createUpload.upload.id;
}

/** The API has understood, and refuses: repeating does not help. */
class RefusedReplyError extends Error {}

async function patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const isOver = performance.now() - startedAt > PATIENCE_MILLISECONDS;
      if (error instanceof RefusedReplyError || isOver) throw error;
      await sleep(300, undefined, { signal });
    }
  }
}
