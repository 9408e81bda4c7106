import { ExpectedError } from '../errors.ts';

/** Another import was asked for while one is not over. */
export class ImportRunningError extends ExpectedError {
  constructor() {
    super(
      'IMPORT_RUNNING',
      'The mailbox imports its existing mail already, in another way than you ask for.',
      'Wait until that import has ended, or end it with `cancelImport`.',
    );
  }
}

/** An import that has ended can be neither cancelled nor resumed. */
export class ImportEndedError extends ExpectedError {
  constructor() {
    super(
      'IMPORT_ENDED',
      'The import has ended: there is nothing left to cancel or to resume.',
      'Read its `state`. To import again use `importExistingMail`; what is known already is not doubled.',
    );
  }
}

/** The import belongs to a folder that is no longer watched. */
export class ImportFolderChangedError extends ExpectedError {
  constructor() {
    super(
      'IMPORT_FOLDER_CHANGED',
      'The import belongs to a folder that the mailbox no longer watches.',
      'Import the folder that it watches now with `importExistingMail`.',
    );
  }
}
