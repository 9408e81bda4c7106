import type { ChangeType, Subscription } from '@microsoft/microsoft-graph-types';

const MINUTE = 60 * 1000;

/** Microsoft raises a shorter life to this. */
export const SHORTEST_LIFE_MS = 45 * MINUTE;
/** Microsoft's limit for the subscriptions of all apps to one mailbox. */
export const MOST_PER_MAILBOX = 1_000;

/** A subscription as it is kept. Instants are milliseconds since 1970. */
export interface StoredSubscription {
  id: string;
  tenantId: string;
  applicationId: string;
  /** The signed-in user, or the service principal of the app. */
  creatorId: string;
  /** `null`: the application itself subscribed. */
  creatorUserId: string | null;
  changeTypes: ChangeType[];
  /** As the client wrote it. */
  changeType: string;
  /** As the client wrote it. */
  resource: string;
  /** Whose mailbox, by user id. */
  mailboxUserId: string;
  /** `null`: all folders of the mailbox. */
  folderId: string | null;
  notificationUrl: string;
  lifecycleNotificationUrl: string | null;
  clientState: string | null;
  latestSupportedTlsVersion: string;
  /** Asked for with `Prefer: IdType="ImmutableId"` when it was created; cannot change. */
  immutableIds: boolean;
  expiresAt: number;
  /** When it was created, renewed or reauthorized last. */
  authorizedAt: number;
  renewedAt: number | null;
  reauthorizedAt: number | null;
  /** When `reauthorizationRequired` went out last. */
  askedAt: number | null;
  /** Accepted, and never served: what some tenants do with shared mailboxes of delegated apps. */
  isSilent: boolean;
}

/** The subscription as Graph shows it. Lists leave `clientState` out, as Microsoft's page does. */
export function subscriptionJson(subscription: StoredSubscription, isListed = false): Subscription {
  return {
    id: subscription.id,
    resource: subscription.resource,
    applicationId: subscription.applicationId,
    changeType: subscription.changeType,
    clientState: isListed ? null : subscription.clientState,
    notificationUrl: subscription.notificationUrl,
    lifecycleNotificationUrl: subscription.lifecycleNotificationUrl,
    expirationDateTime: new Date(subscription.expiresAt).toISOString(),
    creatorId: subscription.creatorId,
    includeResourceData: null,
    latestSupportedTlsVersion: subscription.latestSupportedTlsVersion,
    encryptionCertificate: null,
    encryptionCertificateId: null,
    notificationQueryOptions: null,
    notificationUrlAppId: null,
  };
}
