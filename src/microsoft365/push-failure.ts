import type { GraphErrorCode } from './graph-error.ts';

/**
 * What a refused call of `/subscriptions` means; null where it means what it means everywhere. Microsoft's codes say little
 * here (`InvalidRequest`, `ExtensionError`), so its sentences have to do; those that were seen are in the test.
 * https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
 */
export function pushErrorCodeOf(
  status: number,
  microsoftCode: string,
  message: string,
): GraphErrorCode | null {
  if (status === 404 || status === 410) return 'SUBSCRIPTION_NOT_FOUND';
  if (status === 409) return 'PUSH_DUPLICATE';
  if (status === 403) return /limit|quota|exceed|maximum/i.test(message) ? 'PUSH_QUOTA' : 'PUSH_REFUSED';
  if (status !== 400) return null;
  // Graph validates the expiry as well, and says so in the same words.
  if (isAboutExpiry(message)) return 'PUSH_REFUSED';
  const isValidation =
    microsoftCode === 'validationerror' || /validation|notification ?endpoint/i.test(message);
  return isValidation ? 'PUSH_VALIDATION_FAILED' : 'PUSH_REFUSED';
}

/** Whether Microsoft's sentence is about how long the subscription shall live. */
export function isAboutExpiry(message: string): boolean {
  return /expir/i.test(message);
}
