import { GraphError } from '../microsoft365/graph-error.ts';
import type { IncomingMail, MailApi, MailboxAccess } from '../microsoft365/mail.ts';
import { type ReadMail, readMails } from '../ticketing/read-mails.ts';
import {
  afterImportPage,
  aroundDamagedMail,
  type ImportPlace,
  type ImportStep,
  importRequest,
  withoutLink,
} from './import-plan.ts';
import type { MailImport } from './mail-import.entity.ts';

/** A page, and the place that it was read at in the end. */
export interface ReadStep {
  step: ImportStep;
  at: ImportPlace;
  /** What `readMails` made of the fresh mails. */
  read: ReadonlyMap<IncomingMail, ReadMail>;
}

/**
 * Reads the pages of an import and their mails, the next one already while the last one is being stored: the one waits for
 * Microsoft and computes, the other waits for the database. At most two pages are in memory.
 * Dispose of it at the end: what was read too far is dropped.
 */
export class ImportReader implements Disposable {
  readonly #mail: MailApi;
  readonly #access: MailboxAccess;
  readonly #order: MailImport;
  readonly #signal: AbortSignal;
  readonly #disposed = new AbortController();
  #ahead: { place: ImportPlace; page: Promise<ReadStep> } | null = null;

  constructor(mail: MailApi, access: MailboxAccess, order: MailImport, signal: AbortSignal) {
    this.#mail = mail;
    this.#access = access;
    this.#order = order;
    this.#signal = AbortSignal.any([signal, this.#disposed.signal]);
  }

  /** The page at a place, around a damaged mail where there is one. Throws what `MailApi.readHistory` throws otherwise. */
  page(place: ImportPlace): Promise<ReadStep> {
    const ahead = this.#ahead;
    this.#ahead = null;
    return ahead?.place === place ? ahead.page : this.#read(place);
  }

  /** Begins to read the page at a place. What goes wrong is thrown when it is asked for. */
  readAhead(place: ImportPlace): void {
    const page = this.#read(place);
    page.catch(() => undefined);
    this.#ahead = { place, page };
  }

  [Symbol.dispose](): void {
    this.#disposed.abort(new Error('The turn of the import is over; this page is not needed any more.'));
  }

  async #read(place: ImportPlace): Promise<ReadStep> {
    try {
      const request = importRequest(this.#order, place, this.#order.folderId);
      const page = await this.#mail.readHistory(this.#access, request, this.#signal);
      const step = afterImportPage(this.#order, place, page);
      if (step) return { step, at: place, read: await readMails(step.fresh, this.#signal) };
    } catch (error) {
      const detour = error instanceof GraphError ? aroundRefusal(error, place) : null;
      if (!detour) throw error;
      return this.#read(detour);
    }
    throw new GraphError(
      'UNEXPECTED_ANSWER',
      'Microsoft Graph gave the same link twice while listing the folder.',
    );
  }
}

/** Where else a page can be had that Microsoft does not give; null when nowhere. */
function aroundRefusal({ code, status }: GraphError, place: ImportPlace): ImportPlace | null {
  if (code === 'PAGE_UNREADABLE') return aroundDamagedMail(place);
  // What we ask for by ourselves has no such answer; a link may be older than Microsoft remembers.
  const mayBeTheLink = code === 'DELTA_EXPIRED' || (code === 'REQUEST_REFUSED' && status === 400);
  return mayBeTheLink ? withoutLink(place) : null;
}
