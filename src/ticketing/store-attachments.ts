import type { z } from 'zod';
import { toError } from '../errors.ts';
import { enqueue, handleJob, type JobContext, type JobHandler } from '../jobs/define-job.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf } from '../mailboxes/mailboxes.ts';
import { GraphError } from '../microsoft365/graph-error.ts';
import type { IncomingAttachment, MailApi, MailboxAccess } from '../microsoft365/mail.ts';
import { type Clock, SECOND } from '../platform/clock.ts';
import { type Database, type EntityManager, forkFor } from '../platform/database.ts';
import type { ObjectStorages } from '../platform/object-storage.ts';
import type { Problem } from '../platform/problem.ts';
import { recordEvents } from '../realtime/record.ts';
import { Attachment } from './attachment.entity.ts';
import { ContentTooLargeError, refuseContent, storeContent } from './attachment-content.ts';
import { type FileToFetch, planFetches } from './attachment-fetches.ts';
import { matchAttachmentRows } from './attachment-matching.ts';
import { type AttemptFacts, fileOutcome, mailProblem, postponementOfFile } from './attachment-problems.ts';
import {
  type AttachmentLimits,
  DEFAULT_ATTACHMENT_LIMITS,
  describeAttachments,
  isSurelyLarger,
  putAttachmentRows,
  unlisted,
} from './attachment-rows.ts';
import { storeAttachmentsJob } from './attachments.jobs.ts';
import { InboundMessage } from './inbound-message.entity.ts';

/** When a mail that failed among others is tried again by itself; what comes after that the queue decides. */
const ALONE_AFTER = 3 * SECOND;

/** What the jobs work with. */
export interface AttachmentJobsOptions {
  database: Database;
  mail: MailApi;
  storages: ObjectStorages;
  clock: Clock;
  limits?: AttachmentLimits;
}

/** The handler of `ticketing.store-attachments`. */
export function createAttachmentJobs(options: AttachmentJobsOptions): JobHandler[] {
  return [handleJob(storeAttachmentsJob, (input, context) => new Attempt(options, input, context).run())];
}

/** A mail whose files are wanted. */
interface WantedMail {
  inboundMessageId: string;
  graphMessageId: string;
  messageId: string;
  ticketId: string;
  /** What its files may still take together. */
  bytesLeft: number;
  /** Why it must be tried again; the first reason. */
  failure: Error | null;
}

/**
 * Lists the attachments of mails and stores what is not stored yet. Repeating it adds only what is missing.
 *
 * One file that fails does not keep the others from being stored, and one mail not the others: it is handed to a job of
 * its own, with all its attempts. When every mail fails, the reason is rather the mailbox than the mail: then it is
 * thrown, and the queue tries all of them again. At the last attempt, and when the mail is gone, the attachments say that
 * they failed and why.
 */
class Attempt {
  readonly #options: AttachmentJobsOptions;
  readonly #input: z.infer<typeof storeAttachmentsJob.input>;
  readonly #context: JobContext;
  readonly #limits: AttachmentLimits;
  readonly #em: EntityManager;

  constructor(
    options: AttachmentJobsOptions,
    input: z.infer<typeof storeAttachmentsJob.input>,
    context: JobContext,
  ) {
    this.#options = options;
    this.#input = input;
    this.#context = context;
    this.#limits = options.limits ?? DEFAULT_ATTACHMENT_LIMITS;
    this.#em = forkFor(options.database, input.organizationId, context.signal);
  }

  async run(): Promise<void> {
    const { mailboxId } = this.#input;
    const mailbox = await this.#em.findOne(Mailbox, { id: mailboxId });
    const mails = await this.#findMails();
    if (mailbox === null || mails.length === 0) return; // deleted since it was queued
    if (!mailbox.account) return await this.#giveUpAll(mails);
    const access = accessOf(mailbox);

    const listings = await this.#list(access, mails);
    const files: FileToFetch<WantedMail>[] = [];
    const changed = new Set<WantedMail>();
    for (const mail of mails) {
      try {
        const listing = listings.get(mail.graphMessageId);
        if (listing === undefined) throw new Error('A mail was left out of the listings.');
        if (listing instanceof GraphError) throw listing;
        if (listing.length === 0 && !this.#input.isAgain) continue;
        files.push(...(await this.#describe(mail, listing)));
        changed.add(mail);
      } catch (thrown) {
        await this.#settleMail(mail, this.#errorOf(thrown));
      }
    }
    await this.#fetch(access, files);
    await this.#finish(mails, changed);
  }

  async #findMails(): Promise<WantedMail[]> {
    const { mailboxId, inboundMessageIds } = this.#input;
    const found = await this.#em.find(InboundMessage, { id: { $in: inboundMessageIds }, mailbox: mailboxId });
    return found.flatMap(({ id, graphMessageId, message, ticket }) =>
      message == null || ticket == null
        ? []
        : [
            {
              inboundMessageId: id,
              graphMessageId,
              messageId: message.id,
              ticketId: ticket.id,
              bytesLeft: this.#limits.maxMessageBytes,
              failure: null,
            },
          ],
    );
  }

  /** What concerns all of them counts as an answer for each. */
  async #list(
    access: MailboxAccess,
    mails: readonly WantedMail[],
  ): Promise<Map<string, IncomingAttachment[] | GraphError>> {
    const ids = mails.map(({ graphMessageId }) => graphMessageId);
    try {
      return await this.#options.mail.listAttachmentsOfMany(access, ids, this.#context.signal);
    } catch (thrown) {
      const error = this.#errorOf(thrown);
      if (!(error instanceof GraphError)) throw error;
      return new Map(ids.map((id) => [id, error]));
    }
  }

  /** Makes the rows, and gives the files that still have no content. */
  async #describe(
    mail: WantedMail,
    listing: readonly IncomingAttachment[],
  ): Promise<FileToFetch<WantedMail>[]> {
    const now = this.#options.clock.now();
    const rows = describeAttachments(listing, this.#limits, now);
    const put = this.#input.isAgain ? matchAttachmentRows : putAttachmentRows;
    const { pending, storedBytes } = await this.#em.transactional((em) =>
      put(em, this.#input.organizationId, mail.messageId, rows, now),
    );
    mail.bytesLeft = this.#limits.maxMessageBytes - storedBytes;
    return pending.flatMap((row) => {
      const listed = listing[row.position];
      if (listed === undefined) return [];
      const { graphMessageId } = mail;
      const { graphAttachmentId, kind, sizeBytes } = listed;
      return [
        { mail, attachmentId: row.id, address: { graphMessageId, graphAttachmentId }, kind, sizeBytes },
      ];
    });
  }

  /** Small files together, the others one by one; a few megabytes are in memory at most. */
  async #fetch(access: MailboxAccess, files: readonly FileToFetch<WantedMail>[]): Promise<void> {
    const { signal } = this.#context;
    const { batches, streamed } = planFetches(files);
    const left = [...streamed];
    for (const batch of batches) {
      const addresses = batch.map(({ address }) => address);
      const contents = await this.#options.mail
        .readSmallFiles(access, addresses, signal)
        .catch((thrown: unknown) => batch.map(() => this.#errorOf(thrown)));
      for (const [index, file] of batch.entries()) {
        const content = contents[index] ?? null;
        if (content === null) left.push(file);
        else if (content instanceof Error) await this.#settleFile(file, content);
        else await this.#store(file, async () => only(content));
      }
    }
    for (const file of left) {
      const { graphMessageId, graphAttachmentId } = file.address;
      await this.#store(file, () =>
        this.#options.mail.readAttachment(access, graphMessageId, graphAttachmentId, signal),
      );
    }
  }

  async #store(file: FileToFetch<WantedMail>, open: () => Promise<AsyncIterable<Uint8Array>>): Promise<void> {
    const { mail, attachmentId } = file;
    const maxBytes = Math.min(this.#limits.maxFileBytes, Math.max(0, mail.bytesLeft));
    try {
      if (isSurelyLarger(file.sizeBytes, maxBytes)) throw new ContentTooLargeError(maxBytes);
      const target = {
        storages: this.#options.storages,
        organizationId: this.#input.organizationId,
        attachmentId,
        maxBytes,
        now: () => this.#options.clock.now(),
        signal: this.#context.signal,
      };
      mail.bytesLeft -= await storeContent(this.#em, target, await open());
    } catch (thrown) {
      await this.#settleFile(file, this.#errorOf(thrown));
    }
  }

  async #settleFile({ mail, attachmentId, sizeBytes }: FileToFetch<WantedMail>, error: Error): Promise<void> {
    const outcome = fileOutcome(error, sizeBytes, this.#facts(error));
    if (outcome === null) mail.failure ??= error;
    else {
      const { state, problem } = outcome;
      const now = this.#options.clock.now();
      await refuseContent(this.#em, this.#input.organizationId, attachmentId, state, problem, now);
    }
  }

  async #settleMail(mail: WantedMail, error: Error): Promise<void> {
    const problem = mailProblem(error, this.#facts(error));
    if (problem === null) {
      mail.failure ??= error;
      return;
    }
    const { inboundMessageId } = mail;
    this.#context.logger.warn(
      { err: error, inboundMessageId },
      'the attachments of a mail could not be listed',
    );
    await this.#giveUp(mail, problem);
  }

  /** The integration was deleted: nobody can ask for the files any more. */
  async #giveUpAll(mails: readonly WantedMail[]): Promise<void> {
    const error = new GraphError(
      'MAILBOX_NOT_FOUND',
      'The integration was deleted before the file was stored.',
    );
    const problem = error.toProblem(this.#options.clock.now());
    for (const mail of mails) await this.#giveUp(mail, problem);
  }

  /** What an earlier attempt listed has failed; when there was no listing yet, one row says that there was something. */
  async #giveUp({ messageId, ticketId }: WantedMail, problem: Problem): Promise<void> {
    const { organizationId } = this.#input;
    const now = this.#options.clock.now();
    await this.#em.transactional(async (em) => {
      const known = await em.find(Attachment, { message: messageId });
      if (known.length === 0) {
        await putAttachmentRows(em, organizationId, messageId, [unlisted(problem)], now);
      }
      for (const { id } of known) await refuseContent(em, organizationId, id, 'FAILED', problem, now);
      if (!this.#isHistory) await recordEvents(em, organizationId, [{ type: 'ticket.updated', ticketId }]);
    });
  }

  /** Tells of what was stored, and sees to it that what failed is tried again: both together, whatever happens. */
  async #finish(mails: readonly WantedMail[], changed: ReadonlySet<WantedMail>): Promise<void> {
    const { organizationId } = this.#input;
    const failed = mails.flatMap(({ inboundMessageId, failure }) =>
      failure === null ? [] : [{ inboundMessageId, failure }],
    );
    const isAll = failed.length === mails.length;
    const ticketIds = new Set([...changed].map(({ ticketId }) => ticketId));
    const [first] = failed;
    // The mailbox may not be asked for now: all of them wait, and the try does not count.
    const wait = isAll && first !== undefined ? postponementOfFile(first.failure) : null;
    await this.#em.transactional(async (em) => {
      await recordEvents(
        em,
        organizationId,
        this.#isHistory
          ? []
          : [...ticketIds].map((ticketId) => ({ type: 'ticket.updated' as const, ticketId })),
      );
      for (const { inboundMessageId, failure } of isAll ? [] : failed) {
        this.#context.logger.warn(
          { err: failure, inboundMessageId },
          'attachments could not be stored; trying the mail again by itself',
        );
        const input = { ...this.#input, inboundMessageIds: [inboundMessageId] };
        const delayMilliseconds = Math.max(ALONE_AFTER, postponementOfFile(failure) ?? 0);
        await enqueue(em, storeAttachmentsJob, input, { delayMilliseconds });
      }
      if (wait !== null) {
        await enqueue(em, storeAttachmentsJob, this.#input, { delayMilliseconds: wait });
      }
    });
    if (isAll && first !== undefined && wait === null) throw first.failure;
  }

  /** Nobody is told of history. */
  get #isHistory(): boolean {
    return this.#input.imported === 'HISTORY';
  }

  /** Throttling and trouble of the account are no reason to give up, however often they come. */
  #facts(error: Error): AttemptFacts {
    const { attempt } = this.#context;
    const isLastAttempt = this.#context.isLastAttempt && postponementOfFile(error) === null;
    return { attempt, isLastAttempt, limits: this.#limits, now: this.#options.clock.now() };
  }

  /** The error; being told to stop is none, and ends the attempt. */
  #errorOf(thrown: unknown): Error {
    this.#context.signal.throwIfAborted();
    return toError(thrown);
  }
}

async function* only(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}
