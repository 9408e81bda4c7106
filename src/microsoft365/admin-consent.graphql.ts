import { InvalidInputError, NotFoundError } from '../errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { featuresInUse } from '../mailboxes/features-in-use.ts';
import type { Microsoft365Feature } from './required-permissions.ts';
import { SignInPurposeEnum } from './sign-in-attempt.graphql.ts';
import { permissionsFor } from './sign-in-purpose.ts';

/** Application mode asks for what the app registration lists. */
function permissionsInUse(features: readonly Microsoft365Feature[]): string[] {
  const purposes = features.filter((feature) => feature !== 'APPLICATION_MODE');
  return [...new Set(purposes.flatMap((purpose) => permissionsFor(purpose)))];
}

mutation('startAdminConsent', {
  description:
    'Gives the page where an administrator of the tenant at Microsoft grants what the integration needs: in application mode its application permissions, otherwise the delegated permissions for what is in use or is named, for everybody in the tenant. Open it, or hand it to the administrator, within ten minutes; the first browser that opens it has to complete it, once. In application mode the account of the tenant is ACTIVE afterwards.',
  permission: 'integration:manage',
  input: (t) => ({
    integrationId: t.id({ required: true, description: 'Which integration.' }),
    purpose: t.field({
      type: SignInPurposeEnum,
      description:
        'What the delegated permissions are for; what the organization uses of Microsoft 365 when left out. Application mode asks for its own permissions whatever is given.',
    }),
    returnTo: t.string({
      description: 'Where the browser goes afterwards: a path on this server, such as /settings.',
    }),
  }),
  payload: { authorizationUrl: { type: 'String', description: 'The page to open in a browser.' } },
  errors: [NotFoundError, InvalidInputError],
  resolve: async ({ integrationId, purpose, returnTo }, { em, actor, services }) =>
    services.microsoft365.startAdminConsent(em, {
      integrationId: decodeId('Integration', integrationId),
      permissions: purpose ? permissionsFor(purpose) : permissionsInUse(await featuresInUse(em)),
      userId: actor.userId,
      apiKeyId: actor.apiKeyId,
      returnTo: returnTo ?? null,
    }),
});
