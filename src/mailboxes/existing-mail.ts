import { InvalidInputError } from '../errors.ts';

/** What becomes of the mail that lay in the folder before incoming mail was enabled. */
export const EXISTING_MAIL_MODES = ['NEW_ONLY', 'ARCHIVE', 'AS_NEW'] as const;
export type ExistingMailMode = (typeof EXISTING_MAIL_MODES)[number];

/** The modes in which there is something to import. */
export const IMPORT_MODES = ['ARCHIVE', 'AS_NEW'] as const;
export type ImportMode = (typeof IMPORT_MODES)[number];

/** The status of the tickets of an archive. */
export type ArchiveStatus = 'OPEN' | 'PENDING' | 'CLOSED';

/** A wish about existing mail, as somebody says it. */
export interface ImportWish {
  mode: ImportMode;
  /** Mail received before is left out; null: all of it counts. */
  since: Date | null;
  /** In mode `ARCHIVE`: mail received before is archived, the other is taken in as new. Null: all of it is archived. */
  cutoff: Date | null;
  /** In mode `ARCHIVE`: the status of its tickets; `CLOSED` when null. */
  targetStatus: ArchiveStatus | null;
}

/** The choice as the mailbox keeps it. Times are RFC 3339. */
export interface ExistingMail {
  mode: ExistingMailMode;
  since: string | null;
  cutoff: string | null;
  targetStatus: ArchiveStatus | null;
}

/** Unless something else is chosen, what is already there is left alone. */
export const NEW_ONLY: ExistingMail = { mode: 'NEW_ONLY', since: null, cutoff: null, targetStatus: null };

/**
 * Looks whether a wish makes sense, and fills in what it leaves open. Throws {@link InvalidInputError} when a time lies in
 * the future, when `since` is not before `cutoff`, and when `AS_NEW` is given what only an archive has.
 */
export function checkWish({ mode, since, cutoff, targetStatus }: ImportWish, now: Date): ImportWish {
  for (const [field, time] of Object.entries({ since, cutoff })) {
    if (time && time > now) {
      throw new InvalidInputError(
        field,
        'No mail can have been received in the future.',
        'Give an earlier time.',
      );
    }
  }
  if (mode === 'AS_NEW' && (cutoff || targetStatus)) {
    throw new InvalidInputError(
      cutoff ? 'cutoff' : 'targetStatus',
      'Only an archive has a cut-off and a target status.',
      'Leave both out, or choose the mode ARCHIVE. To leave out old mail give `since`.',
    );
  }
  if (since && cutoff && since >= cutoff) {
    throw new InvalidInputError(
      'since',
      'Nothing lies between `since` and `cutoff`, so nothing would be archived.',
      'Give an earlier `since`, or choose the mode AS_NEW.',
    );
  }
  return { mode, since, cutoff, targetStatus: mode === 'ARCHIVE' ? (targetStatus ?? 'CLOSED') : null };
}

/** A choice as the mailbox keeps it; null: only new mail. */
export function keepWish(wish: ImportWish | null): ExistingMail {
  if (wish === null) return NEW_ONLY;
  const { mode, since, cutoff, targetStatus } = wish;
  return {
    mode,
    since: since?.toISOString() ?? null,
    cutoff: cutoff?.toISOString() ?? null,
    targetStatus,
  };
}

/** Whether two choices are the same. */
export function isSameChoice(one: ExistingMail, other: ExistingMail): boolean {
  return (
    one.mode === other.mode &&
    one.since === other.since &&
    one.cutoff === other.cutoff &&
    one.targetStatus === other.targetStatus
  );
}
