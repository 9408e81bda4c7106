import { InvalidInputError, NotFoundError } from '../errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';

mutation('startAdminConsent', {
  description:
    'Gives the page where an administrator of the tenant at Microsoft grants what the integration needs: in application mode its application permissions, otherwise the permissions that sign-ins ask for, for everybody in the tenant. Open it, or hand it to the administrator, within ten minutes; the first browser that opens it has to complete it, once. In application mode the account of the tenant is ACTIVE afterwards.',
  permission: 'integration:manage',
  input: (t) => ({
    integrationId: t.id({ required: true, description: 'Which integration.' }),
    returnTo: t.string({
      description: 'Where the browser goes afterwards: a path on this server, such as /settings.',
    }),
  }),
  payload: { authorizationUrl: { type: 'String', description: 'The page to open in a browser.' } },
  errors: [NotFoundError, InvalidInputError],
  resolve: ({ integrationId, returnTo }, { em, actor, services }) =>
    services.microsoft365.startAdminConsent(em, {
      integrationId: decodeId('Integration', integrationId),
      userId: actor.userId,
      apiKeyId: actor.apiKeyId,
      returnTo: returnTo ?? null,
    }),
});
