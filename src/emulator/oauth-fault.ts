import { randomUUID } from 'node:crypto';

interface FaultKind {
  readonly error: string;
  readonly status: 400 | 401;
  readonly suberror?: string;
}

/**
 * The AADSTS numbers this emulator answers with, and the OAuth error, HTTP status and suberror that go with each.
 *
 * Follows https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
 */
const FAULT_KINDS = {
  28000: { error: 'invalid_scope', status: 400 },
  50011: { error: 'invalid_request', status: 400 },
  50020: { error: 'invalid_request', status: 400 },
  50034: { error: 'invalid_grant', status: 400 },
  50053: { error: 'invalid_grant', status: 400 },
  50057: { error: 'invalid_grant', status: 400 },
  50058: { error: 'login_required', status: 400 },
  50076: { error: 'interaction_required', status: 400, suberror: 'basic_action' },
  50079: { error: 'interaction_required', status: 400, suberror: 'basic_action' },
  50105: { error: 'invalid_grant', status: 400 },
  50173: { error: 'invalid_grant', status: 400, suberror: 'bad_token' },
  53000: { error: 'interaction_required', status: 400 },
  53003: { error: 'invalid_grant', status: 400, suberror: 'message_only' },
  530032: { error: 'invalid_grant', status: 400, suberror: 'message_only' },
  54005: { error: 'invalid_grant', status: 400 },
  65001: { error: 'invalid_grant', status: 400, suberror: 'consent_required' },
  65004: { error: 'access_denied', status: 400 },
  70000: { error: 'invalid_grant', status: 400 },
  70003: { error: 'unsupported_grant_type', status: 400 },
  70008: { error: 'invalid_grant', status: 400 },
  70011: { error: 'invalid_scope', status: 400 },
  90002: { error: 'invalid_request', status: 400 },
  90033: { error: 'temporarily_unavailable', status: 400 },
  90094: { error: 'consent_required', status: 400 },
  500112: { error: 'invalid_client', status: 400 },
  501481: { error: 'invalid_grant', status: 400 },
  650053: { error: 'invalid_client', status: 400 },
  700005: { error: 'invalid_grant', status: 400 },
  700016: { error: 'unauthorized_client', status: 400 },
  700023: { error: 'invalid_client', status: 401 },
  700024: { error: 'invalid_client', status: 401 },
  700027: { error: 'invalid_client', status: 401 },
  700082: { error: 'invalid_grant', status: 400 },
  700051: { error: 'unsupported_response_type', status: 400 },
  900144: { error: 'invalid_request', status: 400 },
  901002: { error: 'invalid_request', status: 400 },
  1002012: { error: 'invalid_scope', status: 400 },
  7000215: { error: 'invalid_client', status: 401 },
  7000218: { error: 'invalid_client', status: 401 },
  7000222: { error: 'invalid_client', status: 401 },
  9001023: { error: 'invalid_request', status: 400 },
  9002313: { error: 'invalid_request', status: 400 },
} as const satisfies Record<number, FaultKind>;

/** An AADSTS error number the emulator knows. */
export type AadstsCode = keyof typeof FAULT_KINDS;

/** The JSON body of a failed token request, with the field names and forms of Microsoft Entra ID. */
export interface OAuthFaultBody {
  readonly error: string;
  readonly error_description: string;
  readonly error_codes: readonly number[];
  readonly timestamp: string;
  readonly trace_id: string;
  readonly correlation_id: string;
  readonly error_uri: string;
  readonly suberror?: string;
}

/** A refusal by the identity platform: an AADSTS number and the sentence that follows it. */
export class OAuthFault extends Error {
  readonly code: AadstsCode;
  readonly error: string;
  readonly status: 400 | 401;
  readonly suberror: string | null;

  constructor(code: AadstsCode, message: string) {
    super(message);
    this.name = 'OAuthFault';
    const kind: FaultKind = FAULT_KINDS[code];
    this.code = code;
    this.error = kind.error;
    this.status = kind.status;
    this.suberror = kind.suberror ?? null;
  }
}

/**
 * Words a fault as the token endpoint does. `correlationId` is the caller's `client-request-id` when it sent one, so
 * that a log line of the client and the answer can be matched.
 */
export function oauthFaultBody(fault: OAuthFault, now: Date, correlationId: string): OAuthFaultBody {
  const traceId = randomUUID();
  const timestamp = entraTimestamp(now);
  return {
    error: fault.error,
    error_description: `AADSTS${fault.code}: ${fault.message} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
    error_codes: [fault.code],
    timestamp,
    trace_id: traceId,
    correlation_id: correlationId,
    error_uri: `https://login.microsoftonline.com/error?code=${fault.code}`,
    ...(fault.suberror === null ? {} : { suberror: fault.suberror }),
  };
}

/** The form of time in Entra's error bodies: `2026-01-09 02:02:12Z`, UTC, whole seconds. */
function entraTimestamp(instant: Date): string {
  return `${instant.toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
