import { builder, enumType } from '../graphql/builder.ts';
import { featuresInUse } from '../mailboxes/features-in-use.ts';
import { type Explanation, serverObstacle, type WebhookUrls, webhookUrls } from '../sync/push-environment.ts';
import { AuthorizationModeEnum } from './credentials.graphql.ts';
import { Integration } from './integration.entity.ts';
import { type RequiredPermission, requiredPermissions } from './required-permissions.ts';
import type { SetupCheck } from './setup-check.ts';

const FeatureEnum = enumType('Microsoft365Feature', 'What needs permissions of its own.', {
  MAIL: 'Reading and filing the mail of whoever signs in.',
  SHARED_MAILBOXES: 'The same for shared mailboxes, through somebody who signs in.',
  SENDING: 'Sending from the mailbox of whoever signs in.',
  SENDING_SHARED: 'Sending from shared mailboxes, through somebody who signs in.',
  DIRECTORY: 'Users and licences of the tenant.',
  APPLICATION_MODE: 'Any mailbox of the tenant, without anybody signing in.',
});

const RequiredPermissionType = builder.objectRef<RequiredPermission>('RequiredPermission').implement({
  description: 'A permission of Microsoft Graph that a feature needs.',
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name, as the app registration lists it.' }),
    kind: t.expose('kind', {
      type: AuthorizationModeEnum,
      description: 'Whether it is to be added as a delegated or as an application permission.',
    }),
    purpose: t.exposeString('purpose', { description: 'What it is needed for.' }),
    isOptional: t.exposeBoolean('isOptional', { description: 'Whether it is asked for only on demand.' }),
    granted: t.exposeBoolean('granted', {
      description: 'Whether an account of the organization has it; in application mode, the tenant.',
    }),
  }),
});

interface PushSetup {
  urls: WebhookUrls | null;
  obstacle: Explanation | null;
}

const PushSetupType = builder.objectRef<PushSetup>('PushSetup').implement({
  description: 'Whether Microsoft can announce new mail to this server, as far as its configuration tells.',
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    isPossible: t.boolean({
      description:
        'Whether the configuration allows it. Whether Microsoft reaches the server, `syncStatus` of a mailbox says.',
      resolve: ({ obstacle }) => obstacle === null,
    }),
    notificationUrl: t.string({
      nullable: true,
      description:
        'Where Microsoft announces new mail: reachable from the internet, without a sign-in before it.',
      resolve: ({ urls }) => urls?.notificationUrl ?? null,
    }),
    lifecycleNotificationUrl: t.string({
      nullable: true,
      description: 'Where Microsoft tells about the subscriptions themselves; reachable in the same way.',
      resolve: ({ urls }) => urls?.lifecycleNotificationUrl ?? null,
    }),
    reason: t.string({
      nullable: true,
      description: 'Why it is not possible; null when it is.',
      resolve: ({ obstacle }) => obstacle?.reason ?? null,
    }),
    remedy: t.string({
      nullable: true,
      description: 'What to do about it.',
      resolve: ({ obstacle }) => obstacle?.remedy ?? null,
    }),
  }),
});

const SetupCheckNameEnum = enumType('SetupCheckName', 'What is looked at.', {
  PUBLIC_URL_SET: 'Whether PUBLIC_URL is set: the redirect URI and the webhook URLs are made of it.',
  PUBLIC_URL_HTTPS: 'Whether it is https; http will do for this machine beside the emulator.',
  PUBLIC_URL_ANSWERS:
    'Whether this installation, and nothing else, answers there: asked by the server itself.',
  CLOCK_SKEW:
    'How far the clock of the server is from Microsoft’s: a warning from 2 minutes, a failure from 5.',
  ENCRYPTION_KEY: 'Whether secrets are sealed under a key that is kept apart from the data.',
  CREDENTIAL_ACCEPTED: 'When Microsoft last accepted the credential of an integration; one for each.',
});

const SetupCheckResultEnum = enumType('SetupCheckResult', 'What a check came to.', {
  PASSED: 'All is well.',
  WARNING: 'It works, and somebody should look.',
  FAILED: 'Something does not work, or will not.',
  UNKNOWN: 'It could not be looked at, or there is nothing to look at yet.',
});

const SetupCheckType = builder.objectRef<SetupCheck>('SetupCheck').implement({
  description: 'One look at the set-up: what was found, and what to do.',
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    name: t.expose('name', { type: SetupCheckNameEnum, description: 'What was looked at.' }),
    result: t.expose('result', { type: SetupCheckResultEnum, description: 'What it came to.' }),
    cause: t.exposeString('cause', { description: 'What was found, for people.' }),
    remedy: t.exposeString('remedy', {
      nullable: true,
      description: 'What to do about it; null when there is nothing to do.',
    }),
    integration: t.field({
      type: Integration,
      nullable: true,
      description: 'The integration that it is about; null when it is about the whole installation.',
      resolve: ({ integration }) => integration,
    }),
  }),
});

/** What the whole of it goes by; the fields look at the rest themselves. */
interface Setup {
  redirectUri: string;
}

const SetupType = builder.objectRef<Setup>('Microsoft365Setup').implement({
  description: 'What an app registration in Microsoft Entra needs in order to work with this server.',
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    redirectUri: t.exposeString('redirectUri', {
      description: 'The redirect URI to register, under the platform Web, character for character.',
    }),
    permissions: t.field({
      type: [RequiredPermissionType],
      description: 'The permissions of Microsoft Graph to add for just these features.',
      args: {
        features: t.arg({
          type: [FeatureEnum],
          description: 'What shall be used; what is in use when left out.',
        }),
      },
      resolve: async (_setup, { features }, { em }) =>
        requiredPermissions(em, features ?? (await featuresInUse(em))),
    }),
    checks: t.field({
      type: [SetupCheckType],
      description:
        'Looks at the set-up now, in the order in which it is to be put right; what goes over the network is asked at most once in ten seconds, and takes five at most.',
      resolve: (_setup, _args, { em, services: { setupChecks } }) => setupChecks.run(em),
    }),
    push: t.field({
      type: PushSetupType,
      description: 'Whether new mail can be announced instead of polled for.',
      resolve: (_setup, _args, { services: { pushEnvironment } }) => ({
        urls: pushEnvironment.publicUrl === null ? null : webhookUrls(pushEnvironment.publicUrl),
        obstacle: serverObstacle(pushEnvironment),
      }),
    }),
  }),
});

builder.queryField('microsoft365Setup', (t) =>
  t.field({
    type: SetupType,
    description: 'What to enter at Microsoft before the first integration is made.',
    authScopes: { permission: 'integration:read' },
    resolve: (_root, _args, { services }) => ({ redirectUri: services.microsoft365.redirectUri }),
  }),
);
