import type { AttachmentAddress, IncomingAttachment } from '../microsoft365/mail.ts';

/** Up to here a file is worth a place in a batch; in the JSON of the answer it is a third larger. */
const SMALL_FILE_BYTES = 256 * 1024;
const FILES_PER_BATCH = 20;
/** A batch of many files takes the mailbox to itself until its last byte; one of so few bytes is over in a moment. */
const QUICK_BYTES = 256 * 1024;
/** With so many a batch leaves one of the mailbox's places free, and new mail comes in beside it. */
const FILES_BESIDE_MAIL = 3;

/** A file whose content is wanted. */
export interface FileToFetch<Mail> extends Pick<IncomingAttachment, 'kind' | 'sizeBytes'> {
  mail: Mail;
  attachmentId: string;
  address: AttachmentAddress;
}

/**
 * How files are fetched with few requests and little memory, and without holding up mail: small ones in batches, of up to
 * 20 files while they are quick and of three otherwise; the others (large files, Outlook items, and a small one that would
 * be alone) streamed one by one.
 */
export function planFetches<Mail>(files: readonly FileToFetch<Mail>[]): {
  batches: FileToFetch<Mail>[][];
  streamed: FileToFetch<Mail>[];
} {
  const isSmall = ({ kind, sizeBytes }: FileToFetch<Mail>) =>
    kind === 'FILE' && sizeBytes <= SMALL_FILE_BYTES;
  const batches: FileToFetch<Mail>[][] = [];
  let bytes = 0;
  for (const file of files.filter(isSmall)) {
    bytes += file.sizeBytes;
    const batch = batches.at(-1);
    const most = bytes <= QUICK_BYTES ? FILES_PER_BATCH : FILES_BESIDE_MAIL;
    if (batch !== undefined && batch.length < most) batch.push(file);
    else {
      batches.push([file]);
      bytes = file.sizeBytes;
    }
  }
  return {
    batches: batches.filter(({ length }) => length > 1),
    // A batch takes the mailbox to itself at Microsoft; a stream, which costs a single file the same, does not.
    streamed: [
      ...batches.filter(({ length }) => length === 1).flat(),
      ...files.filter((file) => !isSmall(file)),
    ],
  };
}
