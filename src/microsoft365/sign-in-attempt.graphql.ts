import { builder, enumType } from '../graphql/builder.ts';
import { decodeId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import type { Problem } from '../platform/problem.ts';
import { Account } from './account.entity.ts';
import { Integration } from './integration.entity.ts';
import { SignInAttempt, signInStatusOf } from './sign-in-attempt.entity.ts';
import { SignInError } from './sign-in-error.ts';
import { type SignInAttemptEvent, streamSignIns } from './sign-in-stream.ts';

export const SignInPurposeEnum = enumType(
  'SignInPurpose',
  'What somebody signs in for. Permissions are asked for when they are needed; those that an account has stay.',
  {
    MAIL: 'Reading and filing mail of the own mailbox.',
    SHARED_MAILBOXES: 'That, and the same in shared mailboxes that the account may open.',
    SENDING: 'Reading, filing and sending mail of the own mailbox.',
    SENDING_SHARED:
      'That, and the same in shared mailboxes that the account may open and send as or on behalf of.',
    DIRECTORY: 'Reading users and licences of the tenant, which an administrator has to grant.',
  },
);

const SignInStatusEnum = enumType('SignInStatus', 'What has become of a sign-in.', {
  PENDING: 'Nobody has completed it yet.',
  COMPLETED: 'An account signed in and is connected.',
  FAILED: 'It did not come about; the problem says why.',
  EXPIRED: 'Its ten minutes passed: the page was closed, or never opened.',
});

builder.node(SignInAttempt, {
  name: 'SignInAttempt',
  description: 'A sign-in that was started, and what has become of it. It is kept for a day.',
  authScopes: { permission: 'integration:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(SignInAttempt),
  fields: (t) => ({
    purpose: t.expose('purpose', { type: SignInPurposeEnum, description: 'What it is for.' }),
    status: t.field({
      type: SignInStatusEnum,
      description: 'What has become of it.',
      resolve: (attempt, _args, { services }) => signInStatusOf(attempt, services.clock.now()),
    }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description:
        'Why it did not come about, as the page in the browser says it; null unless it FAILED or EXPIRED. What stopped one that EXPIRED Microsoft told the person alone: the remedy names the usual pages.',
      resolve: (attempt, _args, { services }) => problemOf(attempt, services.clock.now()),
    }),
    account: t.field({
      type: Account,
      nullable: true,
      description: 'Who signed in; until then the account that has to, null when any may.',
      resolve: ({ connectedAccount, account }) => (connectedAccount ?? account)?.loadOrFail() ?? null,
    }),
    integration: t.field({
      type: Integration,
      description: 'The integration that it signs in through.',
      resolve: ({ integration }) => integration.loadOrFail(),
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'Until when it can be completed.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was started.' }),
  }),
});

builder.queryField('signInAttempt', (t) =>
  t.field({
    type: SignInAttempt,
    nullable: true,
    description:
      'What has become of a sign-in; null when there is none of this id. For a page that waits: the subscription signInEnded tells as soon as it is known.',
    authScopes: { permission: 'integration:read' },
    args: { id: t.arg.id({ required: true, description: 'Which sign-in.' }) },
    resolve: (_root, { id }, { em }) => em.findOne(SignInAttempt, { id: decodeId('SignInAttempt', id) }),
  }),
);

/** An attempt that expired was ended by nobody, so that nothing is stored with it. */
function problemOf(attempt: SignInAttempt, now: Date): Problem | null {
  const isExpired = signInStatusOf(attempt, now) === 'EXPIRED';
  return isExpired
    ? new SignInError('SIGN_IN_EXPIRED').toProblem(attempt.expiresAt)
    : (attempt.problem ?? null);
}

const SignInEventType = builder.objectRef<SignInAttemptEvent>('SignInEvent').implement({
  description: 'A sign-in was completed, or did not come about.',
  // Asked again for every event: see graphql/execution.ts.
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Resume after this event with it.' }),
    signInAttempt: t.expose('attempt', { type: SignInAttempt, description: 'The sign-in as it is now.' }),
  }),
});

builder.subscriptionField('signInEnded', (t) =>
  t.field({
    type: SignInEventType,
    description:
      'Every sign-in that was completed or refused. One whose page was closed says nothing: it has EXPIRED after expiresAt.',
    authScopes: { permission: 'integration:read' },
    args: {
      after: t.arg.string({
        description: 'Resume after the event with this cursor: what was missed comes first, in order.',
      }),
    },
    subscribe: (_root, { after }, { actor, services, signal }) =>
      streamSignIns(services.events, { organizationId: actor.organizationId, after, signal }),
    resolve: (event) => event,
  }),
);
