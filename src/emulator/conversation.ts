import { randomBytes } from 'node:crypto';
import { newDefaultId } from './ids.ts';
import type { Mailbox } from './mailbox.ts';

/** Where a message stands in its conversation, as Exchange keeps it per mailbox. */
export interface ConversationPlace {
  conversationId: string;
  /** 22 bytes for the first message of a thread, 5 more for every reply (MS-OXOMSG 2.2.1.3). */
  conversationIndex: Buffer;
}

/** 100-nanosecond ticks between 1601 and 1970. */
const FILETIME_OF_1970 = 116_444_736_000_000_000n;

/** The bytes of `Thread-Index` that all messages of a thread share (MS-OXOMSG 2.2.1.3). */
const THREAD_INDEX_ROOT_BYTES = 22;

/**
 * The conversation of a message that arrives in a mailbox: that of a message it refers to, else that of its
 * `Thread-Index`, which Outlook writes, else that of any message with the same topic — so that unrelated mails with one
 * subject share a conversation, as they do in Exchange.
 */
export function placeInConversation(
  mailbox: Mailbox,
  message: { subject: string; references: readonly string[]; threadIndex?: string | undefined },
  now: number,
): ConversationPlace {
  for (const reference of [...message.references].reverse()) {
    for (const id of mailbox.byInternetMessageId.get(reference) ?? []) {
      const parent = mailbox.messages.get(id);
      if (parent === undefined) continue;
      return {
        conversationId: parent.conversationId,
        conversationIndex: Buffer.concat([parent.conversationIndex, randomBytes(5)]),
      };
    }
  }
  const index = Buffer.from(message.threadIndex ?? '', 'base64');
  if (index.length >= THREAD_INDEX_ROOT_BYTES) {
    // Topics are in the same map: a NUL is in none of them.
    const key = `\0${index.toString('hex', 6, THREAD_INDEX_ROOT_BYTES)}`;
    const conversationId = mailbox.conversations.get(key) ?? newDefaultId();
    mailbox.conversations.set(key, conversationId);
    return { conversationId, conversationIndex: index };
  }
  const topic = threadTopic(message.subject);
  const known = topic === '' ? undefined : mailbox.conversations.get(topic);
  const conversationId = known ?? newDefaultId();
  if (topic !== '') mailbox.conversations.set(topic, conversationId);
  return { conversationId, conversationIndex: newConversationIndex(now) };
}

/** The subject without reply and forward marks, in lower case. */
export function threadTopic(subject: string): string {
  return subject
    .replace(/^(?:\s*(?:re|aw|antw|sv|vs|rv|tr|fw|fwd|wg)(?:\[\d+\])?\s*:)+/i, '')
    .trim()
    .toLowerCase();
}

function newConversationIndex(now: number): Buffer {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(Math.trunc(now)) * 10_000n + FILETIME_OF_1970);
  return Buffer.concat([Buffer.from([1]), time.subarray(0, 5), randomBytes(16)]);
}
