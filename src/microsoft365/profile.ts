import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { SECOND } from '../platform/clock.ts';
import type { CloudName } from './clouds.ts';
import type { GraphTransport } from './graph-transport.ts';

const REQUEST_MILLISECONDS = 15 * SECOND;
const ATTEMPTS = 3;

/** Who signed in. */
export interface Profile {
  microsoftUserId: string;
  /** In lower case; the sign-in name where the account has no mailbox address. */
  emailAddress: string;
  displayName: string;
}

const me = z.object({
  id: z.string().min(1),
  displayName: z.string().nullish(),
  mail: z.string().nullish(),
  userPrincipalName: z.string().nullish(),
});

/** Graph did not give the profile. */
export class ProfileError extends Error {
  /** HTTP status; null when no answer came. */
  readonly status: number | null;
  readonly requestId: string | null;

  constructor(status: number | null, requestId: string | null, options?: ErrorOptions) {
    super(`Graph answered ${status ?? 'nothing'} to /me (request-id ${requestId ?? 'none'}).`, options);
    this.name = 'ProfileError';
    this.status = status;
    this.requestId = requestId;
  }
}

/**
 * Reads the profile of the account that a fresh token stands for. It comes from Graph and not from the id token, whose
 * addresses are only hints. Throws {@link ProfileError} when Graph does not answer, or answers without an address.
 */
export async function readProfile(
  transport: GraphTransport,
  cloud: CloudName,
  accessToken: string,
): Promise<Profile> {
  let failure: unknown;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    try {
      const response = await transport({
        cloud,
        accessToken,
        method: 'GET',
        target: '/me?$select=id,displayName,mail,userPrincipalName',
        headers: { accept: 'application/json', 'client-request-id': randomUUID() },
        signal: AbortSignal.timeout(REQUEST_MILLISECONDS),
      });
      if (!response.ok) {
        throw new ProfileError(response.status, response.headers.get('request-id'));
      }
      const { id, displayName, mail, userPrincipalName } = me.parse(await response.json());
      const emailAddress = (mail || userPrincipalName || '').trim().toLowerCase();
      if (emailAddress === '') throw new Error('The account has neither an address nor a sign-in name.');
      return { microsoftUserId: id, emailAddress, displayName: displayName || emailAddress };
    } catch (error) {
      // At once again: a person sits before a page that loads.
      failure = error;
    }
  }
  throw failure instanceof ProfileError ? failure : new ProfileError(null, null, { cause: failure });
}
