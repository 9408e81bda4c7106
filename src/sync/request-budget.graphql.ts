import { builder } from '../graphql/builder.ts';
import type { RequestBudget } from '../microsoft365/read-budgets.ts';
import { readRequestBudget } from './request-budget.ts';
import { SyncStatus } from './sync-status.ts';

const RequestBudgetType = builder.objectRef<RequestBudget>('RequestBudget').implement({
  description:
    'How much of what Microsoft 365 grants an app in one mailbox is used, over all processes. Near its end Deskgraph slows itself down, moves first.',
  authScopes: { permission: 'mailbox:read' },
  fields: (t) => ({
    used: t.exposeInt('used', {
      description: 'Requests of the last ten minutes, as Microsoft counts them; a few seconds old.',
    }),
    limit: t.exposeInt('limit', { description: 'Requests that Microsoft grants in ten minutes.' }),
    share: t.float({
      description: '`used` as a share of `limit`: 1 is all of it.',
      resolve: ({ used, limit }) => used / limit,
    }),
    throttledUntil: t.expose('throttledUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'Until when the mailbox is left alone, as Microsoft asked; null when it is not.',
    }),
    movesThrottledUntil: t.expose('movesThrottledUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'Until when nothing is archived, while mail is still read; null when it is.',
    }),
  }),
});

builder.objectFields(SyncStatus, (t) => ({
  requestBudget: t.field({
    type: RequestBudgetType,
    nullable: true,
    description: 'The requests to Microsoft 365 that this mailbox may make; null when its account is gone.',
    resolve: async ({ mailboxId }, _args, { em }) => (await readRequestBudget(em, mailboxId)) ?? null,
  }),
}));
