import { NotFoundError } from '../errors.ts';
import { builder, enumType, errorType } from '../graphql/builder.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import type { Services } from '../graphql/services.ts';
import { getMailbox } from '../mailboxes/mailboxes.ts';
import type { DeliveryStatus } from './push-delivery.ts';
import { PushImpossibleError, PushNotActiveError, PushProbeTooSoonError } from './push-errors.ts';
import type { PushSubscription } from './push-subscription.entity.ts';
import { PushProbe, readPushProbe, requestPushProbe } from './request-push-probe.ts';
import { IncomingDisabledError } from './sync-errors.ts';
import { SyncStatus } from './sync-status.ts';

errorType(PushImpossibleError, 'Microsoft cannot announce the mail of this mailbox to this server.');
errorType(PushNotActiveError, 'There is no subscription at the moment that a probe could be about.');
errorType(PushProbeTooSoonError, 'A probe was made a moment ago.');

const DeliveryEnum = enumType('Delivery', 'How new mail is noticed.', {
  PUSH: 'Microsoft announces it at once. The folder is read at the polling interval all the same.',
  POLLING: 'The folder is read at the polling interval.',
});

const PushSubscriptionStateEnum = enumType(
  'PushSubscriptionState',
  'Where a subscription for notifications stands.',
  {
    CREATING: 'Microsoft is being asked for it.',
    ACTIVE: 'Microsoft has it. Whether notifications come, `delivery` says.',
    REMOVED: 'Microsoft ended it; another one is being made.',
    FAILED: 'Microsoft refused it; `problem` says why. It is asked for again by itself.',
  },
);

const PushProbeStateEnum = enumType('PushProbeState', 'How far a probe of push has come.', {
  QUEUED: 'It is about to be made.',
  WAITING: 'Its draft is in the folder; a notification is waited for, until `deadline`.',
  ANSWERED: 'A notification came: push works.',
  UNANSWERED: 'No notification came in time: mail is polled, the subscription is made anew and probed again.',
  FAILED: 'The draft could not be made; `problem` says why. Real mail has to prove that push works.',
});

builder.objectType(PushProbe, {
  name: 'PushProbe',
  description:
    'A test of push, end to end: a draft that is put into the watched folder, that Microsoft announces as it announces mail, and that is removed for good as soon as it is announced, or after four minutes. Nobody is notified of it.',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    state: t.expose('state', { type: PushProbeStateEnum, description: 'How far it has come.' }),
    startedAt: t.expose('startedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it began; null while it is queued.',
    }),
    deadline: t.expose('deadline', {
      type: 'DateTime',
      nullable: true,
      description: 'Until when a notification counts as an answer; null while it is queued.',
    }),
    answeredAt: t.expose('answeredAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the first notification came.',
    }),
    roundTripMilliseconds: t.exposeInt('roundTripMilliseconds', {
      nullable: true,
      description: 'From the request that made the draft to the notification, in milliseconds.',
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description: 'Why it could not be made.',
      resolve: ({ problem }) => problem,
    }),
  }),
});

const PushSubscriptionType = builder.objectRef<PushSubscription>('PushSubscription').implement({
  description: 'A subscription at Microsoft for notifications of new mail in the watched folder.',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    state: t.expose('state', { type: PushSubscriptionStateEnum, description: 'Where it stands.' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ends unless it is renewed, which happens at half of its life.',
    }),
    lastNotificationAt: t.expose('lastNotificationAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When a notification of it last came; null until one has proven that they come.',
    }),
    lastProbe: t.field({
      type: PushProbe,
      nullable: true,
      description: 'The last probe, or the one under way: whether a notification came when one had to.',
      resolve: (subscription, _args, { services }) => readPushProbe(subscription, services.clock.now()),
    }),
    missedCount: t.exposeInt('missedCount', {
      description: 'Polls since the last notification that found mail which Microsoft did not announce.',
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description: 'Why it could not be made or renewed.',
      resolve: ({ problem }) => problem ?? null,
    }),
  }),
});

builder.objectFields(SyncStatus, (t) => ({
  delivery: t.field({
    type: DeliveryEnum,
    description: 'How new mail is noticed.',
    resolve: (status, _args, { services }) => deliveryNow(status, services).delivery,
  }),
  deliveryReason: t.string({
    description: 'Why it is noticed that way.',
    resolve: (status, _args, { services }) => deliveryNow(status, services).reason,
  }),
  deliveryRemedy: t.string({
    nullable: true,
    description: 'What could be done about it; null when there is nothing to do.',
    resolve: (status, _args, { services }) => deliveryNow(status, services).remedy,
  }),
  pushSubscription: t.field({
    type: PushSubscriptionType,
    nullable: true,
    description: 'The subscription for notifications; null while there is none.',
    resolve: ({ pushSubscription }) => pushSubscription,
  }),
}));

function deliveryNow(status: SyncStatus, { pushEnvironment, clock }: Services): DeliveryStatus {
  return status.deliveryIn(pushEnvironment, clock.now());
}

mutation('probePush', {
  description:
    'Makes Microsoft announce something now: a draft in the watched folder that nobody is notified of, and that is removed as soon as it is announced, or after four minutes. Gives back the probe, which goes on in the background: follow it in `syncStatus { pushSubscription { lastProbe } }`, live with `syncStatusChanged`. Asked for again while one is under way, it gives back that one.',
  permission: 'sync:run',
  input: (t) => ({ mailboxId: t.id({ required: true, description: 'Which mailbox.' }) }),
  payload: { pushProbe: { type: PushProbe, description: 'The probe.' } },
  errors: [
    NotFoundError,
    IncomingDisabledError,
    PushImpossibleError,
    PushNotActiveError,
    PushProbeTooSoonError,
  ],
  resolve: async ({ mailboxId }, { em, services: { pushEnvironment: environment, clock } }) => ({
    pushProbe: await requestPushProbe(em, await getMailbox(em, decodeId('Mailbox', mailboxId)), {
      environment,
      clock,
    }),
  }),
});
