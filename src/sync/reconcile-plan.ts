import type { ListedMail, ListingPage, ListingRequest } from '../microsoft365/mail.ts';
import { DAY, MINUTE, SECOND } from '../platform/clock.ts';

/**
 * What a reconciliation decides, apart from all input and output.
 *
 * Its steps: *list* the folders page by page and compare each page with the ledger; *confirm*: let a sync that begins
 * after the listing explain what it can, since mail that came or was moved meanwhile is no difference; *repair* the rest.
 */

/** How far back a reconciliation goes unless it is told. */
export const USUAL_WINDOW = 7 * DAY;

/** Mails listed of one folder in one reconciliation: some hundred requests. */
export const MOST_LISTED = 100_000;

/** Differences that one reconciliation repairs; what lies behind them waits for the next. */
export const MOST_DIFFERENCES = 5_000;

/** How long it waits for a sync that began after the listing; then what differs is repaired all the same. */
const LONGEST_CONFIRMATION = 60 * MINUTE;

/** Refusals in a row after which it fails: with the waits below, after about two hours. */
const MOST_FAILURES = 12;
const FIRST_RETRY = 10 * SECOND;
const LONGEST_RETRY = 15 * MINUTE;

/** Where a listing goes on. Times are RFC 3339. */
export interface ReconcilePlace {
  folder: 'WATCHED' | 'ARCHIVE';
  /** From when on the next page lists. */
  from: string;
  /** Graph's own link to the next page, where a time does not lead on; otherwise null. */
  link: string | null;
  /** Mails received at `from` that an earlier page has compared. */
  seen: string[];
  /** Mails compared in this folder. */
  listed: number;
  /** Set once a page failed because of a damaged mail: from there on only ids are listed, by Graph's links. */
  idsOnly?: boolean;
}

/** The listing of a folder begins. */
export function placeAtStart(folder: ReconcilePlace['folder'], since: Date): ReconcilePlace {
  return { folder, from: since.toISOString(), link: null, seen: [], listed: 0 };
}

/** What to ask Microsoft for at a place. */
export function requestAt(place: ReconcilePlace, folderId: string, until: Date): ListingRequest {
  const { from, link, idsOnly = false } = place;
  return link === null
    ? { folderId, receivedFrom: new Date(from), receivedUntil: until, idsOnly }
    : { folderId, link };
}

/** How to go on after a page has failed; null when there is no other way. */
export function aroundDamage(place: ReconcilePlace, status: number | null): ReconcilePlace | null {
  if (place.idsOnly === true || (status !== 500 && status !== 504)) return null;
  return { ...place, link: null, idsOnly: true };
}

/** A page as it is compared, and where the listing goes on. */
export interface PageStep {
  /** Mails of the page that have not been compared yet, drafts left out: nobody has sent those. */
  fresh: ListedMail[];
  /** Null: the folder is read to its end. */
  next: ReconcilePlace | null;
  /** Null, or the time up to which mail was compared when there was more than is listed at a time. */
  cutAt: Date | null;
}

/**
 * Decides what follows a page.
 *
 * The next page is asked for by the time of the last mail and not by Graph's link: that holds a number of mails to pass
 * over, and when mail is archived meanwhile as many others are never seen. Only where a page does not get beyond one
 * instant the link has to do.
 */
export function afterPage(place: ReconcilePlace, { mails, link }: ListingPage, isFull: boolean): PageStep {
  const seen = new Set(place.seen);
  const fresh = mails.filter(({ graphMessageId, isDraft }) => !isDraft && !seen.has(graphMessageId));
  const listed = place.listed + fresh.length;
  const last = mails.at(-1)?.receivedAt;
  if (link === null) return { fresh, next: null, cutAt: null };
  if (isFull || listed >= MOST_LISTED || link === place.link) {
    return { fresh, next: null, cutAt: last ?? new Date(place.from) };
  }
  const isStuck = !last || last.getTime() <= Date.parse(place.from);
  if (isStuck) return { fresh, next: { ...place, link, listed }, cutAt: null };
  const atLast = mails.filter(({ receivedAt }) => receivedAt?.getTime() === last.getTime());
  const next = {
    folder: place.folder,
    from: last.toISOString(),
    link: null,
    seen: atLast.map(({ graphMessageId }) => graphMessageId),
    listed,
  };
  return { fresh, next, cutAt: null };
}

/** From when on mail is compared: never from before incoming mail was enabled, that mail is none of our business. */
export function startOfWindow(asked: Date | null, receiveFrom: Date, now: Date): Date {
  const from = asked?.getTime() ?? now.getTime() - USUAL_WINDOW;
  return new Date(Math.max(from, receiveFrom.getTime()));
}

/** What follows the listing. */
export type ConfirmStep = { kind: 'GO_ON' } | { kind: 'WAIT'; milliseconds: number };

/** Whether the sync has had its chance to explain what differs, and when to look again if not. */
export function confirmStep(listedAt: Date, coveredUntil: Date | null, now: Date): ConfirmStep {
  if (coveredUntil && coveredUntil >= listedAt) return { kind: 'GO_ON' };
  const waited = now.getTime() - listedAt.getTime();
  if (waited >= LONGEST_CONFIRMATION) return { kind: 'GO_ON' };
  return { kind: 'WAIT', milliseconds: Math.min(Math.max(waited / 4, SECOND / 2), MINUTE) };
}

/** How long to wait after the nth refusal in a row (1 = the first); null: give up. */
export function reconcileRetryDelay(failures: number, retryAfterMilliseconds: number | null): number | null {
  if (failures >= MOST_FAILURES) return null;
  const backoff = Math.min(FIRST_RETRY * 2 ** (failures - 1), LONGEST_RETRY);
  return Math.max(backoff, retryAfterMilliseconds ?? 0);
}
