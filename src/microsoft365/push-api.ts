import { z } from 'zod';
import { type Clock, MINUTE } from '../platform/clock.ts';
import type { GraphCall, GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import type { MailboxAccess } from './mail.ts';
import { mailboxPath } from './mail-folders.ts';
import {
  type GraphSubscription,
  type NewGraphSubscription,
  type PushApi,
  SHORT_LIFE_MINUTES,
} from './push.ts';
import { isAboutExpiry } from './push-failure.ts';
import { makeProbe, removeProbe } from './push-probe.ts';

/** An application's list is that of the whole tenant, one for each mailbox that is watched; more is not read. */
const MOST_SUBSCRIPTIONS = 20_000;

const subscriptionSchema = z.object({
  id: z.string().min(1).max(500),
  resource: z.string().nullish(),
  notificationUrl: z.string().nullish(),
  expirationDateTime: z.iso.datetime({ offset: true }),
});
const subscriptionPage = z.object({
  value: z.array(subscriptionSchema),
  '@odata.nextLink': z.string().nullish(),
});

/** What the push API is made of. */
export interface PushApiDeps {
  client: GraphClient;
  clock: Clock;
}

/** The push API over Graph. */
export function createPushApi({ client, clock }: PushApiDeps): PushApi {
  const scopeOf = (mailbox: MailboxAccess, signal: AbortSignal): GraphScope => ({
    mailbox,
    signal,
    counter: null,
  });

  /** Asks for the life that is wanted, and when Graph finds it too long, for the one that it always allowed. */
  async function withExpiry(
    expiresAt: Date,
    ask: (expirationDateTime: string) => Promise<unknown>,
  ): Promise<GraphSubscription> {
    try {
      return toSubscription(await ask(expiresAt.toISOString()));
    } catch (error) {
      const shorter = new Date(clock.now().getTime() + SHORT_LIFE_MINUTES * MINUTE);
      if (!isExpiryRefused(error) || shorter >= expiresAt) throw error;
      return toSubscription(await ask(shorter.toISOString()));
    }
  }

  return {
    create: async (mailbox, input, signal) => {
      try {
        return await withExpiry(input.expiresAt, (expirationDateTime) =>
          client.json(createCall(mailbox, input, expirationDateTime), scopeOf(mailbox, signal)),
        );
      } catch (error) {
        throw isGone(error) ? refused(error) : error;
      }
    },
    renew: (mailbox, id, expiresAt, signal) =>
      withExpiry(expiresAt, (expirationDateTime) =>
        client.json(
          {
            operation: 'subscription.renew',
            method: 'PATCH',
            target: subscriptionPath(id),
            subject: 'SUBSCRIPTION',
            body: { expirationDateTime },
            isRepeatable: true,
          },
          scopeOf(mailbox, signal),
        ),
      ),
    remove: async (mailbox, id, signal) => {
      try {
        await client.json(
          {
            operation: 'subscription.remove',
            method: 'DELETE',
            target: subscriptionPath(id),
            subject: 'SUBSCRIPTION',
            isRepeatable: true,
          },
          scopeOf(mailbox, signal),
        );
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    },
    list: async (mailbox, signal) => {
      const found: GraphSubscription[] = [];
      const followed = new Set<string>();
      let target: string | null = '/subscriptions';
      while (target !== null && !followed.has(target) && found.length < MOST_SUBSCRIPTIONS) {
        followed.add(target);
        const page: z.infer<typeof subscriptionPage> = parse(
          subscriptionPage,
          await client.json(
            { operation: 'subscription.list', method: 'GET', target, subject: 'SUBSCRIPTION' },
            scopeOf(mailbox, signal),
          ),
        );
        found.push(...page.value.map(toSubscription));
        target = page['@odata.nextLink'] ?? null;
      }
      return found;
    },
    makeProbe: (mailbox, folderId, signal) => makeProbe(client, scopeOf(mailbox, signal), folderId),
    removeProbe: (mailbox, draft, signal) => removeProbe(client, scopeOf(mailbox, signal), draft),
  };
}

/** Repeated when its answer gets lost: if Microsoft has made it, that ends as `PUSH_DUPLICATE`, and the caller looks. */
function createCall(
  mailbox: MailboxAccess,
  { folderId, notificationUrl, lifecycleNotificationUrl, clientState }: NewGraphSubscription,
  expirationDateTime: string,
): GraphCall {
  const folder = folderId.replaceAll("'", "''");
  return {
    operation: 'subscription.create',
    method: 'POST',
    target: '/subscriptions',
    subject: 'SUBSCRIPTION',
    body: {
      changeType: 'created',
      notificationUrl,
      lifecycleNotificationUrl,
      resource: `${mailboxPath(mailbox).slice(1)}/mailFolders('${folder}')/messages`,
      expirationDateTime,
      clientState,
    },
    isRepeatable: true,
  };
}

function subscriptionPath(id: string): string {
  return `/subscriptions/${encodeURIComponent(id)}`;
}

function toSubscription(json: unknown): GraphSubscription {
  const { id, resource, notificationUrl, expirationDateTime } = parse(subscriptionSchema, json);
  return {
    id,
    resource: resource ?? '',
    notificationUrl: notificationUrl ?? '',
    expiresAt: new Date(expirationDateTime),
  };
}

function parse<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new GraphError(
    'UNEXPECTED_ANSWER',
    'Microsoft Graph answered about subscriptions in an unknown form.',
    {
      cause: parsed.error,
    },
  );
}

function isGone(error: unknown): error is GraphError {
  return error instanceof GraphError && error.code === 'SUBSCRIPTION_NOT_FOUND';
}

/** A 404 to a creation is about the mailbox: it is on-premises, or the app may not see it. */
function refused(error: GraphError): GraphError {
  return new GraphError('PUSH_REFUSED', error.message, {
    status: error.status,
    microsoftCode: error.microsoftCode,
    requestId: error.requestId,
    cause: error,
  });
}

function isExpiryRefused(error: unknown): boolean {
  return error instanceof GraphError && error.code === 'PUSH_REFUSED' && isAboutExpiry(error.message);
}
