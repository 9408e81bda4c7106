import type { DeltaPage, DeltaRequest, MailApi, MailboxAccess } from '../microsoft365/mail.ts';

/**
 * Reads the delta pages of a folder, the next one already while the last one is being stored: Microsoft and the database
 * work at the same time, and a long folder takes as long as the slower of the two. At most two pages are in memory.
 * Dispose of it at the end: what was read too far is dropped.
 */
export class PageReader implements Disposable {
  readonly #mail: MailApi;
  readonly #access: MailboxAccess;
  readonly #folderId: string;
  readonly #signal: AbortSignal;
  readonly #disposed = new AbortController();
  #ahead: { cursor: string; page: Promise<DeltaPage> } | null = null;

  constructor(mail: MailApi, access: MailboxAccess, folderId: string, signal: AbortSignal) {
    this.#mail = mail;
    this.#access = access;
    this.#folderId = folderId;
    this.#signal = AbortSignal.any([signal, this.#disposed.signal]);
  }

  /** The page after `cursor`. Throws what `MailApi.readDelta` throws. */
  next(cursor: string): Promise<DeltaPage> {
    const ahead = this.#ahead;
    this.#ahead = null;
    return ahead?.cursor === cursor ? ahead.page : this.#read({ folderId: this.#folderId, cursor });
  }

  /** The first page of a round over mail received at or after a time. Throws what `MailApi.readDelta` throws. */
  first(receivedFrom: Date, oneByOne: boolean): Promise<DeltaPage> {
    this.#ahead = null;
    return this.#read({ folderId: this.#folderId, receivedFrom, oneByOne });
  }

  /** Begins to read the page after `cursor`. What goes wrong is thrown when it is asked for. */
  readAhead(cursor: string): void {
    const page = this.#read({ folderId: this.#folderId, cursor });
    page.catch(() => undefined);
    this.#ahead = { cursor, page };
  }

  [Symbol.dispose](): void {
    this.#disposed.abort(new Error('The run has ended; this page is not needed any more.'));
  }

  #read(request: DeltaRequest): Promise<DeltaPage> {
    return this.#mail.readDelta(this.#access, request, this.#signal);
  }
}
