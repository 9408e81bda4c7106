import { builder } from '../graphql/builder.ts';
import { type Explanation, serverObstacle, type WebhookUrls, webhookUrls } from '../sync/push-environment.ts';
import { describeSetup, type Microsoft365Setup, type RequiredPermission } from './setup.ts';

const RequiredPermissionType = builder.objectRef<RequiredPermission>('RequiredPermission').implement({
  description: 'A delegated permission of Microsoft Graph that a sign-in asks for.',
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name, as the app registration lists it.' }),
    purpose: t.exposeString('purpose', { description: 'What it is needed for.' }),
    isOptional: t.exposeBoolean('isOptional', { description: 'Whether it is asked for only on demand.' }),
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

const SetupType = builder.objectRef<Microsoft365Setup>('Microsoft365Setup').implement({
  description: 'What an app registration in Microsoft Entra needs in order to work with this server.',
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    redirectUri: t.exposeString('redirectUri', {
      description: 'The redirect URI to register, under the platform Web, character for character.',
    }),
    permissions: t.field({
      type: [RequiredPermissionType],
      description: 'The delegated permissions of Microsoft Graph to add.',
      resolve: ({ permissions }) => permissions,
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
    resolve: (_root, _args, { services }) => describeSetup(services.microsoft365.redirectUri),
  }),
);
