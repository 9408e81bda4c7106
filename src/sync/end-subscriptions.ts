import type { FilterQuery } from '@mikro-orm/core';
import { accessOf } from '../mailboxes/mailboxes.ts';
import type { PushApi } from '../microsoft365/push.ts';
import { SECOND } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { PushSubscription } from './push-subscription.entity.ts';

/** How long Microsoft is given to end the subscriptions; what remains there ends by itself within a week. */
const REMOVAL_MILLISECONDS = 10 * SECOND;
/** Subscriptions that are ended; there is one for each mailbox. */
const MOST_SUBSCRIPTIONS = 500;

/**
 * Ends subscriptions at Microsoft as far as it answers, for when nobody can do it later: the tokens are about to go. Their
 * rows are left alone.
 */
export async function endSubscriptions(
  em: EntityManager,
  push: PushApi,
  which: FilterQuery<PushSubscription>,
): Promise<void> {
  const subscriptions = await em.find(
    PushSubscription,
    { $and: [which, { graphSubscriptionId: { $ne: null } }] },
    { populate: ['mailbox'], orderBy: { id: 'desc' }, limit: MOST_SUBSCRIPTIONS },
  );
  const signal = AbortSignal.timeout(REMOVAL_MILLISECONDS);
  await Promise.allSettled(
    subscriptions.map(async ({ mailbox, graphSubscriptionId }) => {
      if (graphSubscriptionId)
        await push.remove(accessOf(await mailbox.loadOrFail()), graphSubscriptionId, signal);
    }),
  );
}
