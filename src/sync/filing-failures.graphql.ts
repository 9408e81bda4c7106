import { builder } from '../graphql/builder.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { filingFailuresOf } from './filing-failures.ts';
import { SyncStatus } from './sync-status.ts';

builder.objectFields(SyncStatus, (t) => ({
  filingFailures: t.int({
    description:
      'How many messages could not be archived, deleted or copied, and stay where they are until somebody acts; 10,000 stands for that and more. Their tickets are complete. `inboundMessages` lists them by `archiveState` and `copyState`.',
    resolve: async ({ organizationId, mailboxId }, _args, { em }) =>
      (await filingFailuresOf(em, organizationId, mailboxId)).count,
  }),
  filingProblem: t.field({
    type: ProblemType,
    nullable: true,
    description: 'Why the last of them could not be, and what to do; null when there is none.',
    resolve: async ({ organizationId, mailboxId }, _args, { em }) =>
      (await filingFailuresOf(em, organizationId, mailboxId)).problem,
  }),
}));
