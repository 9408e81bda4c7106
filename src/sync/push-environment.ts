/* Whether Microsoft can announce new mail to this server at all, and what a mailbox therefore shall have. */

const NOTIFICATION_PATH = '/webhooks/microsoft-graph';
const LIFECYCLE_PATH = '/webhooks/microsoft-graph/lifecycle';

/** What of the configuration decides whether Microsoft can call us. */
export interface PushEnvironment {
  /** Without a trailing slash; null when it is not set. */
  publicUrl: string | null;
  /** Takes the place of Graph; null for Microsoft itself. */
  graphUrl: string | null;
}

/** The addresses that Microsoft calls. */
export interface WebhookUrls {
  notificationUrl: string;
  lifecycleNotificationUrl: string;
}

/** The addresses below a public URL. */
export function webhookUrls(publicUrl: string): WebhookUrls {
  return {
    notificationUrl: publicUrl + NOTIFICATION_PATH,
    lifecycleNotificationUrl: publicUrl + LIFECYCLE_PATH,
  };
}

/** Why something is as it is, and what can be done about it. */
export interface Explanation {
  reason: string;
  remedy: string;
}

/** Why push cannot work on this server for any mailbox; null when it can. */
export function serverObstacle({ publicUrl, graphUrl }: PushEnvironment): Explanation | null {
  if (publicUrl === null) {
    return {
      reason: 'PUBLIC_URL is not set, so Microsoft has no address to announce new mail to.',
      remedy: 'Set PUBLIC_URL to the https address under which the internet reaches this server.',
    };
  }
  const isHttps = publicUrl.startsWith('https:');
  if (!isHttps && !(graphUrl !== null && isLoopback(graphUrl))) {
    return {
      reason: 'PUBLIC_URL is not https, and Microsoft announces new mail to https addresses only.',
      remedy: 'Put TLS in front of this server and set PUBLIC_URL to its https address.',
    };
  }
  return null;
}

/** Why push cannot work for a mailbox; null when it can. */
export function obstacleOf(environment: PushEnvironment, mailbox: { kind: string }): Explanation | null {
  const obstacle = serverObstacle(environment);
  if (obstacle || mailbox.kind !== 'SHARED') return obstacle;
  return {
    reason: 'Microsoft announces new mail of a shared mailbox to apps with application permissions only.',
    remedy: 'Nothing to do: the folder is polled. A shorter interval makes tickets appear sooner.',
  };
}

/** The emulator, or a test: its calls never leave the machine, so they need no TLS. */
function isLoopback(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** What the settings and the environment ask for: null for no subscription. */
export interface PushWish {
  folderId: string;
  notificationUrl: string;
}

/** What a mailbox shall have. */
export function wishOf(
  environment: PushEnvironment,
  mailbox: { kind: string; incomingEnabled: boolean; folder?: { id: string } | null | undefined },
): PushWish | null {
  const { publicUrl } = environment;
  if (!mailbox.incomingEnabled || !mailbox.folder || publicUrl === null) return null;
  if (obstacleOf(environment, mailbox)) return null;
  return { folderId: mailbox.folder.id, notificationUrl: webhookUrls(publicUrl).notificationUrl };
}
