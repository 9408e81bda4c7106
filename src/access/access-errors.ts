import { ExpectedError } from '../errors.ts';

/** The key was revoked, or its user disabled or given another role, while a stream was open. */
export class SessionEndedError extends ExpectedError {
  constructor() {
    super(
      'SESSION_ENDED',
      'The API key was revoked, or its user was disabled or changed role.',
      'Connect again with a valid key.',
    );
  }
}

/** Only an OWNER may make, change or act for an OWNER. */
export class OwnerRequiredError extends ExpectedError {
  constructor() {
    super(
      'OWNER_REQUIRED',
      'Only an OWNER can make, change or issue keys for an OWNER.',
      'Ask an OWNER of the organization.',
    );
  }
}

/** The change would leave the organization without anybody who can manage it. */
export class LastOwnerError extends ExpectedError {
  constructor() {
    super(
      'LAST_OWNER',
      'This user is the last enabled OWNER of the organization.',
      'Make another user an OWNER first.',
    );
  }
}

/** A key was asked for a user who may do nothing. */
export class UserDisabledError extends ExpectedError {
  constructor() {
    super('USER_DISABLED', 'The user is disabled.', 'Enable the user first, or choose another.');
  }
}
