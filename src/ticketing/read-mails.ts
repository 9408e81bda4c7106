import { setImmediate } from 'node:timers/promises';
import type { IncomingMail } from '../microsoft365/mail.ts';
import { SECOND } from '../platform/clock.ts';
import { ThreadPool } from '../platform/thread-pool.ts';
import { contentDigestsOf } from './content-digest.ts';
import { bareMail, isHeavyMail, preparedAsShortened } from './heavy-mail.ts';
import { type ReadMail, readMail } from './read-mail.ts';

export type { ReadMail } from './read-mail.ts';

/** For heavy mail, of all mailboxes of the process. Shared: what it bounds is what this machine computes at once. */
const threads = new ThreadPool<IncomingMail, ReadMail>({
  file: new URL('./read-mail.thread.ts', import.meta.url),
  most: 2,
  // More than `bodies.ts` allows for the HTML of a mail, which cuts most of them off earlier and with more left of them.
  deadline: 10 * SECOND,
  heapMegabytes: 512,
});

/**
 * Reads the mails of a page, before the transaction that stores them. A hostile mail costs seconds of computing (see
 * bodies.ts), so a page of them takes minutes: inside of the transaction PostgreSQL would end it as idle, again at every
 * try, and the mailbox would stand still. Heavy mail is read in a thread, and between two mails everybody else has their
 * turn, so that nobody else waits for it. Throws the signal's reason.
 */
export async function readMails(
  mails: readonly IncomingMail[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<IncomingMail, ReadMail>> {
  const read = new Map<IncomingMail, ReadMail>();
  for (const mail of mails) {
    read.set(mail, isHeavy(mail) ? await readHeavyMail(mail, signal) : readMail(mail));
    await setImmediate();
    signal?.throwIfAborted();
  }
  return read;
}

/** What is not as its type says is poison, and reading it says so. */
function isHeavy(mail: IncomingMail): boolean {
  try {
    return isHeavyMail(mail);
  } catch {
    return false;
  }
}

/**
 * Gives what {@link readMail} gives, from another thread. A mail that takes longer than its deadline, or more memory than
 * a thread has, is kept as the beginning of its text: it neither holds up anybody nor gets lost.
 */
async function readHeavyMail(mail: IncomingMail, signal: AbortSignal | undefined): Promise<ReadMail> {
  try {
    return await threads.run(mail, signal);
  } catch {
    signal?.throwIfAborted();
    const bare = readMail(bareMail(mail));
    if (!('prepared' in bare)) return bare;
    // Over the mail as it came, as always: a copy of it is recognised, in whatever time that one is read.
    const prepared = preparedAsShortened(bare.prepared);
    return { ...bare, prepared: { ...prepared, ...contentDigestsOf(mail, bare.summary) } };
  }
}
