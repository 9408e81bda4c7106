/*
 * The files of a mail: which of them are still to be put on the draft. Pure.
 */
import type { DraftFile } from '../microsoft365/mail-sending.ts';

/** A stored file of the message that is sent. */
export interface StoredFile {
  attachmentId: string;
  name: string;
  contentType: string;
  sizeBytes: number;
  /** As the HTML names it; null for files that are not shown in it. */
  contentId: string | null;
  isInline: boolean;
}

/** The same with the content id that it has on the draft, by which it is told from all others. */
export interface WantedFile extends Omit<StoredFile, 'contentId'> {
  contentId: string;
}

/** Gives each file its content id: the one that the HTML names, where there is one, and each only once. */
export function wantedFiles(files: readonly StoredFile[]): WantedFile[] {
  const taken = new Set<string>();
  return files.map((file) => {
    const own = file.contentId;
    const contentId = own !== null && own !== '' && !taken.has(own) ? own : `${file.attachmentId}@deskgraph`;
    taken.add(contentId);
    return { ...file, contentId };
  });
}

/**
 * Which files are missing on the draft; null when it has one of ours twice: an answer was lost while it was added, and
 * only a new draft is right. What is not ours is left alone: `completeDraft` has removed what Exchange itself adds.
 */
export function missingFiles(
  wanted: readonly WantedFile[],
  listed: readonly DraftFile[],
): WantedFile[] | null {
  const count = new Map<string, number>();
  for (const { contentId } of listed) {
    if (contentId !== null) count.set(contentId, (count.get(contentId) ?? 0) + 1);
  }
  if (wanted.some(({ contentId }) => (count.get(contentId) ?? 0) > 1)) return null;
  return wanted.filter(({ contentId }) => !count.has(contentId));
}
