import { ExpectedError } from '../errors.ts';

/** Another inbound channel was asked for while a mailbox takes mail in: one message would become two tickets. */
export class MailboxReceivesError extends ExpectedError {
  constructor(emailAddress: string) {
    super(
      'MAILBOX_RECEIVES',
      `The mailbox ${emailAddress} takes mail in: a second channel could make a second ticket of its mail.`,
      'Switch incoming mail off for every mailbox with `updateIncomingSettings`, then set the channel again.',
    );
  }
}

/** A time zone was named that does not exist. */
export class UnknownTimeZoneError extends ExpectedError {
  constructor() {
    super(
      'UNKNOWN_TIME_ZONE',
      'There is no time zone of this name.',
      'Give a name of the IANA time zone database, such as Europe/Berlin, or UTC.',
    );
  }
}

/** The folder that was asked for does not exist in the mailbox. */
export class UnknownFolderError extends ExpectedError {
  constructor() {
    super(
      'UNKNOWN_FOLDER',
      'The mailbox has no such folder.',
      'Take a folder id from `Mailbox.folders`, or make a folder with `createMailFolder`.',
    );
  }
}

/** Archiving was asked for without saying where to. */
export class ArchiveFolderRequiredError extends ExpectedError {
  constructor() {
    super(
      'ARCHIVE_FOLDER_REQUIRED',
      'Archiving needs a folder to archive to.',
      'Give `archiveFolderId`; `createMailFolder` makes one, such as processed-by-deskgraph.',
    );
  }
}

/** The archive folder is the watched folder: mail would be moved to where it is and come back as new. */
export class ArchiveFolderIsWatchedError extends ExpectedError {
  constructor() {
    super(
      'ARCHIVE_FOLDER_IS_WATCHED',
      'Mail cannot be archived to the folder that is watched for new mail.',
      'Choose another folder to archive to, or another folder to watch.',
    );
  }
}

/** The copy folder is the watched folder: every copy would be new mail, and be copied again. */
export class CopyFolderIsWatchedError extends ExpectedError {
  constructor() {
    super(
      'COPY_FOLDER_IS_WATCHED',
      'Mail cannot be copied to the folder that is watched for new mail.',
      'Choose another folder for the copies, or another folder to watch.',
    );
  }
}

/** The copy folder is the archive folder: every mail would lie there twice. */
export class CopyFolderIsArchiveFolderError extends ExpectedError {
  constructor() {
    super(
      'COPY_FOLDER_IS_ARCHIVE_FOLDER',
      'Mail cannot be copied to the folder that it is archived to.',
      'Choose another folder for the copies or the archive; whoever archives may not need copies at all.',
    );
  }
}

/** A folder's name is empty, too long or has characters that Exchange refuses. */
export class InvalidFolderNameError extends ExpectedError {
  constructor() {
    super(
      'INVALID_FOLDER_NAME',
      'The name of a folder must have 1 to 200 characters, and no control characters or slashes.',
      'Choose another name, such as processed-by-deskgraph.',
    );
  }
}
