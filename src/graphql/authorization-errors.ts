import { ExpectedError } from '../errors.ts';

/** Nobody is signed in, and what was asked for needs somebody. */
export class UnauthenticatedError extends ExpectedError {
  constructor() {
    super(
      'UNAUTHENTICATED',
      'This needs credentials, and the request had none that are valid.',
      'Send the header "Authorization: Bearer <API key>", or the same string as "authorization" in connection_init.',
    );
  }
}

/** Somebody is signed in and may not do this. */
export class ForbiddenError extends ExpectedError {
  constructor(permission: string | null) {
    super(
      'FORBIDDEN',
      permission === null
        ? 'Your role does not allow this.'
        : `Your role does not have the permission "${permission}".`,
      'Ask an OWNER or ADMIN of your organization; "viewer" lists the permissions that you have.',
    );
  }
}
