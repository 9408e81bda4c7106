import type { StoredMessage } from './mailbox.ts';

/** Where a message stands in a list: by arrival, then by serial number. */
export interface Place {
  receivedAt: number;
  serial: number;
}

/** Negative when `a` stands before `b`. */
export function comparePlaces(a: Place, b: Place): number {
  return a.receivedAt - b.receivedAt || a.serial - b.serial;
}

/** The index of the first message at or after a place; the list's length when there is none. */
export function firstAtOrAfter(messages: readonly StoredMessage[], place: Place): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const message = messages[middle];
    if (message !== undefined && comparePlaces(message, place) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Puts a message in its place; the list stays in order. */
export function insertInOrder(messages: StoredMessage[], message: StoredMessage): void {
  messages.splice(firstAtOrAfter(messages, message), 0, message);
}

/** Takes a message out of an ordered list; does nothing when it is not there. */
export function removeFromOrder(messages: StoredMessage[], message: StoredMessage): void {
  const index = firstAtOrAfter(messages, message);
  if (messages[index] === message) messages.splice(index, 1);
}
