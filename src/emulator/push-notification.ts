import type { ChangeNotification, ChangeType, LifecycleEventType } from '@microsoft/microsoft-graph-types';
import type { StoredMessage } from './mailbox.ts';
import type { StoredSubscription } from './subscription.ts';

/** What tells a notification which message it is about. */
export type NotifiedMessage = Pick<StoredMessage, 'id' | 'immutableId' | 'changeKey'>;

/**
 * Word of a change, without any of the message's content and without an id of its own, as Outlook's come; see
 * learn.microsoft.com/graph/change-notifications-delivery-webhooks.
 */
export function changeNotification(
  subscription: StoredSubscription,
  changeType: ChangeType,
  message: NotifiedMessage,
): ChangeNotification {
  const id = subscription.immutableIds ? message.immutableId : message.id;
  const resource = `Users/${subscription.mailboxUserId}/Messages/${id}`;
  // Microsoft's type of `resourceData` is an open one, which its TypeScript form cannot say.
  const resourceData: Record<string, string> = {
    '@odata.type': '#Microsoft.Graph.Message',
    '@odata.id': resource,
    '@odata.etag': `W/"${message.changeKey}"`,
    id,
  };
  return { ...commonPart(subscription), changeType, resource, resourceData };
}

/** Word of something about the subscription; see learn.microsoft.com/graph/change-notifications-lifecycle-events. */
export function lifecycleNotification(
  subscription: StoredSubscription,
  lifecycleEvent: LifecycleEventType,
): ChangeNotification {
  return { ...commonPart(subscription), lifecycleEvent };
}

function commonPart(subscription: StoredSubscription): ChangeNotification {
  return {
    subscriptionId: subscription.id,
    subscriptionExpirationDateTime: new Date(subscription.expiresAt).toISOString(),
    clientState: subscription.clientState,
    tenantId: subscription.tenantId,
  };
}
