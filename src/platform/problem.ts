/**
 * What is wrong with something that should work, as it is stored with the thing and shown to people:
 * a stable code, a sentence and a remedy, since when, and what support will ask for.
 */
export interface Problem {
  code: string;
  message: string;
  remedy: string;
  /** RFC 3339, UTC. */
  since: string;
  /** When it is tried again, where that is known. RFC 3339, UTC. */
  retryAt?: string;
  /** Microsoft's own code, such as `ErrorAccessDenied` or `AADSTS50173`. */
  microsoftCode?: string;
  /** Microsoft's `request-id` or `correlation_id`. */
  requestId?: string;
}
