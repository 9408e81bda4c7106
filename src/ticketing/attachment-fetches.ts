import type { AttachmentAddress, IncomingAttachment } from '../microsoft365/mail.ts';

/** Up to here a file is worth a place in a batch; in the JSON of the answer it is a third larger. */
const SMALL_FILE_BYTES = 256 * 1024;
/** A batch answer is in memory as a whole, a few times over. */
const BATCH_BYTES = 4 * 1024 * 1024;
const FILES_PER_BATCH = 20;

/** A file whose content is wanted. */
export interface FileToFetch<Mail> extends Pick<IncomingAttachment, 'kind' | 'sizeBytes'> {
  mail: Mail;
  attachmentId: string;
  address: AttachmentAddress;
}

/**
 * How files are fetched with few requests and little memory: small ones in batches of up to 20 files and 4 MB, the others
 * (large files, Outlook items, and a small one that would be alone) streamed one by one.
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
    if (batch !== undefined && batch.length < FILES_PER_BATCH && bytes <= BATCH_BYTES) batch.push(file);
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
