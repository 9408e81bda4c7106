import { defineEntity, p } from '@mikro-orm/core';
import { organizationProperty } from '../access/organization.entity.ts';
import { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { baseProperties, organizationFilter } from '../platform/base-properties.ts';
import type { Problem } from '../platform/problem.ts';
import type { PushSubscriptionState } from './push-plan.ts';

/**
 * A subscription for change notifications of a mailbox's watched folder. One row per mailbox is current; replaced ones
 * stay for a day, since Microsoft delivers notifications up to four hours late. What they mean: `push-plan.ts`.
 */
export const PushSubscriptionSchema = defineEntity({
  name: 'PushSubscription',
  tableName: 'push_subscription',
  filters: organizationFilter,
  properties: {
    ...baseProperties,
    organization: organizationProperty(),
    mailbox: () => p.manyToOne(Mailbox).ref(),
    folderId: p.text(),
    notificationUrl: p.text(),
    /** Microsoft's id; null until it has answered. */
    graphSubscriptionId: p.text().nullable(),
    /** The secret that comes back with every notification, sealed for `push-subscription:<id>`. */
    sealedClientState: p.text().hidden(),
    state: p.string().$type<PushSubscriptionState>(),
    /** When it is to be renewed (at half of its life), or creating it is to be tried again. */
    nextStepAt: p.datetime(),
    expiresAt: p.datetime().nullable(),
    /** When Microsoft made it. */
    activeSince: p.datetime().nullable(),
    renewedAt: p.datetime().nullable(),
    /** Of this very subscription: null until one has proven that they come. */
    lastNotificationAt: p.datetime().nullable(),
    /** Polls since the last notification that found mail which should have been announced. */
    missedCount: p.integer().default(0),
    lastMissedAt: p.datetime().nullable(),
    /** How often it was made anew since the last notification because none came. */
    silentRecreations: p.integer().default(0),
    /** When the next probe is due, unless a notification comes before; what a probe is: `push-probe-plan.ts`. */
    nextProbeAt: p.datetime(),
    /** When the last probe began: written down before its draft is made. */
    probeStartedAt: p.datetime().nullable(),
    /** Microsoft's id of the draft; null until it has answered. */
    probeMessageId: p.text().nullable(),
    /** When the first notification came while its draft was there. */
    probeAnsweredAt: p.datetime().nullable(),
    /** When its draft is to be removed; null when there is none. */
    probeRemovalAt: p.datetime().nullable(),
    /** Why it could not be made. */
    probeProblem: p.json<Problem>().nullable(),
    /** Probes since the last notification. */
    unansweredProbes: p.integer().default(0),
    /** Refusals in a row. */
    failures: p.integer().default(0),
    problem: p.json<Problem>().nullable(),
    /** Null for the current one. */
    replacedAt: p.datetime().nullable(),
    version: p.integer().version(),
  },
});

export class PushSubscription extends PushSubscriptionSchema.class {}
PushSubscriptionSchema.setClass(PushSubscription);
