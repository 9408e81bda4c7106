import type { Problem } from '../platform/problem.ts';
import { builder, ErrorCodeEnum } from './builder.ts';
import { errorCodeOf } from './error-codes.ts';

/** What is wrong with an account, a mailbox, a message: shared by all of them. */
export const ProblemType = builder.objectRef<Problem>('Problem').implement({
  description: 'What is wrong with something that should work, and what to do about it.',
  authScopes: { authenticated: true },
  fields: (t) => ({
    code: t.field({
      type: ErrorCodeEnum,
      description: 'For programs.',
      resolve: ({ code }) => errorCodeOf(code),
    }),
    message: t.exposeString('message', { description: 'For people: what is wrong.' }),
    remedy: t.exposeString('remedy', { description: 'For people: what to do about it.' }),
    since: t.field({
      type: 'DateTime',
      description: 'Since when it is wrong.',
      resolve: ({ since }) => new Date(since),
    }),
    retryAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it is tried again; null where that is not known.',
      resolve: ({ retryAt }) => (retryAt === undefined ? null : new Date(retryAt)),
    }),
    microsoftCode: t.exposeString('microsoftCode', {
      nullable: true,
      description: "Microsoft's own code, such as ErrorAccessDenied or AADSTS50173.",
    }),
    requestId: t.exposeString('requestId', {
      nullable: true,
      description: "Microsoft's id of the request that failed; their support asks for it.",
    }),
  }),
});
