import type { ArchiveStatus, ImportMode } from '../mailboxes/existing-mail.ts';
import type { HistoryPage, HistoryRequest, IncomingMail } from '../microsoft365/mail.ts';

/** What an import decides, apart from all input and output. */

/** Where an import goes on. Times are RFC 3339. */
export interface ImportPlace {
  /** Whether its mail is history or taken in as new: an archive with a cut-off has first the one and then the other. */
  phase: ImportMode;
  /** From when on the next page lists. */
  from: string;
  /** Graph's own link to the next page, where a time does not lead on; otherwise null. */
  link: string | null;
  /** Ids of mails that an earlier page has stored and that the next one may list again. */
  seen: string[];
  /** Set where a damaged mail stands in the way: the page is read mail by mail. */
  oneByOne: boolean;
  /** Set while links are followed, once this listing of the second has brought a mail that none has brought before. */
  brought?: boolean;
  /** Set once Graph has not accepted its own link any more, until the listing brings something again. */
  isLinkRefused?: boolean;
}

/** What an import is asked for, as far as deciding goes. */
export interface ImportOrder {
  mode: ImportMode;
  since?: Date | null | undefined;
  cutoff?: Date | null | undefined;
  targetStatus?: ArchiveStatus | null | undefined;
  until: Date;
}

/**
 * Ids to keep of mails within one second, some hundred kilobytes; they are written with every page. With more mails in one
 * second it is listed only once, and what moves meanwhile is left to the next reconciliation.
 */
const MOST_SEEN = 5_000;

/** Before every mail there is. */
const THE_BEGINNING = new Date(0);

/** From when on an import takes mail in. */
export function startOfImport({ since }: Pick<ImportOrder, 'since'>): Date {
  return since ?? THE_BEGINNING;
}

/** Where an import begins. */
export function firstPlace(order: ImportOrder): ImportPlace {
  return placeFrom(order.mode, startOfImport(order));
}

function placeFrom(phase: ImportMode, from: Date): ImportPlace {
  return { phase, from: from.toISOString(), link: null, seen: [], oneByOne: false };
}

/** Before when mail of a phase was received. Exclusive: what came later belongs to the next phase, or to the sync. */
export function endOfPhase({ mode, cutoff, until }: ImportOrder, phase: ImportMode): Date {
  return mode === 'ARCHIVE' && phase === 'ARCHIVE' && cutoff && cutoff < until ? cutoff : until;
}

/** What to ask Microsoft for at a place. */
export function importRequest(order: ImportOrder, place: ImportPlace, folderId: string): HistoryRequest {
  const { phase, from, link, oneByOne } = place;
  if (link !== null) return { folderId, link };
  return { folderId, receivedFrom: new Date(from), receivedBefore: endOfPhase(order, phase), oneByOne };
}

/** The status of the tickets that mail of a phase opens; null for mail that is taken in as new. */
export function importedAs({ targetStatus }: ImportOrder, phase: ImportMode): ArchiveStatus | null {
  return phase === 'ARCHIVE' ? (targetStatus ?? 'CLOSED') : null;
}

/** How a mail that only a reconciliation finds would have been imported. */
export function treatmentOf(order: ImportOrder, receivedAt: Date | null): ArchiveStatus | null {
  const isHistory = order.mode === 'ARCHIVE' && (!receivedAt || receivedAt < endOfPhase(order, 'ARCHIVE'));
  return importedAs(order, isHistory ? 'ARCHIVE' : 'AS_NEW');
}

/** How to go on after a page that Microsoft cannot give out; null when there is no other way. */
export function aroundDamagedMail(place: ImportPlace): ImportPlace | null {
  return place.oneByOne ? null : { ...place, link: null, oneByOne: true };
}

/** Where to go on when Graph's own link may not count any more; null when no other way is left. */
export function withoutLink(place: ImportPlace): ImportPlace | null {
  if (place.link === null || place.isLinkRefused) return null;
  return { ...place, link: null, isLinkRefused: true };
}

/** Where an import goes on that somebody resumes: Graph's link may be as old as one likes. */
export function resumedPlace(place: ImportPlace): ImportPlace {
  const { isLinkRefused: _, ...rest } = place;
  return { ...rest, link: null };
}

/** A page as it is stored, and where the import goes on. */
export interface ImportStep {
  /** Mails that no earlier page has stored, drafts left out: nobody has sent those. */
  fresh: IncomingMail[];
  /** Those that cannot be read, in the same way. */
  unreadable: HistoryPage['unreadable'];
  /** Null: everything is imported. */
  next: ImportPlace | null;
}

/**
 * Decides what follows a page. As in a reconciliation, the next page is asked for by the time of the last mail and not by
 * Graph's link, which holds a number of mails to pass over: when mail is moved meanwhile, as many others are never seen.
 * Where one second fills a page there is only the link: then that second is listed until a listing brings nothing new.
 * Null when Graph leads in a circle.
 */
export function afterImportPage(
  order: ImportOrder,
  place: ImportPlace,
  page: HistoryPage,
): ImportStep | null {
  const seen = new Set(place.seen);
  const fresh = page.mails.filter(({ graphMessageId, isDraft }) => !isDraft && !seen.has(graphMessageId));
  const unreadable = page.unreadable.filter(
    ({ graphMessageId }) => graphMessageId !== null && !seen.has(graphMessageId),
  );
  if (page.link !== null && page.link === place.link) return null;
  const last = page.mails.at(-1)?.receivedAt;
  const isBeyond = last != null && last.getTime() > Date.parse(place.from);
  const isNews = fresh.length + unreadable.length > 0;
  const here = { ...place, seen: [...new Set([...place.seen, ...idsOf(page)])].slice(0, MOST_SEEN) };
  if (page.link !== null && !isBeyond) {
    const { isLinkRefused = false, brought = false } = place;
    const next = {
      ...here,
      link: page.link,
      brought: brought || isNews,
      isLinkRefused: isLinkRefused && !isNews,
    };
    return { fresh, unreadable, next };
  }
  if (place.link !== null && (place.brought || isNews) && here.seen.length < MOST_SEEN) {
    return { fresh, unreadable, next: { ...placeFrom(place.phase, new Date(place.from)), seen: here.seen } };
  }
  if (page.link === null) return { fresh, unreadable, next: nextPhase(order, place.phase) };
  const again = page.mails.filter(({ receivedAt }) => receivedAt?.getTime() === last?.getTime());
  const next = {
    ...placeFrom(place.phase, last ?? new Date(place.from)),
    seen: idsOf({ mails: again, unreadable: page.unreadable }),
  };
  return { fresh, unreadable, next };
}

function idsOf({ mails, unreadable }: Pick<HistoryPage, 'mails' | 'unreadable'>): string[] {
  return [...mails, ...unreadable].flatMap(({ graphMessageId }) => graphMessageId ?? []);
}

function nextPhase({ mode, cutoff, until }: ImportOrder, phase: ImportMode): ImportPlace | null {
  const isHalf = mode === 'ARCHIVE' && phase === 'ARCHIVE' && cutoff && cutoff < until;
  return isHalf ? placeFrom('AS_NEW', cutoff) : null;
}
