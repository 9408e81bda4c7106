import { ExpectedError } from '../errors.ts';
import { ACCOUNT_REFUSALS } from './account-refusals.ts';

/** Why an app registration is not taken: a sentence and a remedy for each code. */
const REASONS = {
  TENANT_NOT_FOUND: [
    'Microsoft knows no tenant of this id or domain.',
    'Copy "Directory (tenant) ID" from the overview of the app registration.',
  ],
  WRONG_CLOUD: [
    'The tenant belongs to another cloud of Microsoft.',
    'Make the integration in the cloud of the tenant, with an app registration that was made there.',
  ],
  APP_NOT_FOUND: [
    'Microsoft does not know the app registration in this tenant.',
    'Copy "Application (client) ID" from the overview of the app registration, and check that the tenant is the one it was made in.',
  ],
  APP_DISABLED: ACCOUNT_REFUSALS.APP_DISABLED,
  SECRET_INVALID: [
    'Microsoft does not accept the client secret.',
    'Copy the value of the client secret, not its id; one that was just made may need a minute.',
  ],
  SECRET_EXPIRED: [
    'The client secret has expired.',
    'Make a new client secret in the app registration and give its value.',
  ],
  CERTIFICATE_REFUSED: [
    'Microsoft does not accept the certificate.',
    'Upload this very certificate to the app registration under "Certificates & secrets", and check that the clock of this server is right.',
  ],
  CREDENTIAL_REFUSED: [
    'Microsoft does not let the app in.',
    'Look up the code of Microsoft that is named here; Conditional Access for workload identities may hold the app back.',
  ],
  SIGN_IN_UNAVAILABLE: [
    'The sign-in service of Microsoft could not be reached, so nothing could be checked and nothing was saved.',
    'Try again in a few minutes; check the network between here and Microsoft if it lasts.',
  ],
} as const satisfies Record<string, readonly [string, string]>;

export type RegistrationErrorCode = keyof typeof REASONS;

/** Microsoft was asked about an app registration and refused it. The message may name Microsoft's code, never a credential. */
export class RegistrationError extends ExpectedError {
  declare readonly code: RegistrationErrorCode;
  /** Microsoft's own code, such as `AADSTS7000215`. */
  readonly microsoftCode: string | null;
  /** Microsoft's `correlation_id`. */
  readonly requestId: string | null;

  constructor(
    code: RegistrationErrorCode,
    options: {
      detail?: string;
      microsoftCode?: string | null;
      requestId?: string | null;
      cause?: unknown;
    } = {},
  ) {
    const { detail, microsoftCode = null, requestId = null, cause } = options;
    const [message, remedy] = REASONS[code];
    super(
      code,
      `${detail ?? message}${microsoftCode === null ? '' : ` (${microsoftCode})`}`,
      remedy,
      cause === undefined ? undefined : { cause },
    );
    this.microsoftCode = microsoftCode;
    this.requestId = requestId;
  }
}

export { REASONS as REGISTRATION_REASONS };
