import { InvalidInputError, NotFoundError } from '../errors.ts';
import { decodeId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import { SignInAttempt } from './sign-in-attempt.entity.ts';
import { SignInPurposeEnum } from './sign-in-attempt.graphql.ts';

const PAYLOAD = {
  authorizationUrl: {
    type: 'String',
    description:
      'The page to open in a browser, within ten minutes. The first browser that opens it has to complete it; it needs cookies.',
  },
  signInAttempt: {
    type: SignInAttempt,
    description: 'What becomes of it: ask for it again with signInAttempt, or follow signInEnded.',
  },
} as const;

const RETURN_TO = 'Where the browser goes afterwards: a path on this server, such as /settings.';

mutation('startSignIn', {
  description:
    'Starts a sign-in to Microsoft 365. Whoever signs in becomes an account of the integration; an account that is one already keeps its settings and permissions. Open the URL in a browser, or hand it to who has to sign in.',
  permission: 'integration:manage',
  input: (t) => ({
    integrationId: t.id({ required: true, description: 'Which integration to sign in through.' }),
    purpose: t.field({
      type: SignInPurposeEnum,
      required: true,
      defaultValue: 'MAIL',
      description: 'What permissions are asked for.',
    }),
    loginHint: t.string({ description: 'The address that the page of Microsoft suggests.' }),
    returnTo: t.string({ description: RETURN_TO }),
  }),
  payload: PAYLOAD,
  errors: [NotFoundError, InvalidInputError],
  resolve: async ({ integrationId, purpose, loginHint, returnTo }, { em, actor, services }) => {
    const { authorizationUrl, attempt } = await services.microsoft365.startSignIn(em, {
      integrationId: decodeId('Integration', integrationId),
      purpose,
      loginHint: loginHint ?? null,
      returnTo: returnTo ?? null,
      userId: actor.userId,
      apiKeyId: actor.apiKeyId,
    });
    return { authorizationUrl, signInAttempt: attempt };
  },
});

mutation('reauthenticate', {
  description:
    'Starts a sign-in of an account that is known: because it needs one, was disconnected, or is to be granted more. Only this account can complete it: another one is refused with USER_MISMATCH, and nothing changes.',
  permission: 'integration:manage',
  input: (t) => ({
    accountId: t.id({ required: true, description: 'Which account has to sign in.' }),
    purpose: t.field({
      type: SignInPurposeEnum,
      required: true,
      defaultValue: 'MAIL',
      description: 'What permissions are asked for, beside those that the account has.',
    }),
    returnTo: t.string({ description: RETURN_TO }),
  }),
  payload: PAYLOAD,
  errors: [NotFoundError, InvalidInputError],
  resolve: async ({ accountId, purpose, returnTo }, { em, actor, services }) => {
    const { authorizationUrl, attempt } = await services.microsoft365.reauthenticate(em, {
      accountId: decodeId('Account', accountId),
      purpose,
      returnTo: returnTo ?? null,
      userId: actor.userId,
      apiKeyId: actor.apiKeyId,
    });
    return { authorizationUrl, signInAttempt: attempt };
  },
});
