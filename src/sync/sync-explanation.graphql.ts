import { builder } from '../graphql/builder.ts';
import { filingFailuresOf } from './filing-failures.ts';
import { explainFiling, explainSync } from './sync-explanation.ts';
import { SyncStatus } from './sync-status.ts';

builder.objectField(SyncStatus, 'explanation', (t) =>
  t.string({
    description:
      "For people: what the sync does and since when, such as “Paused until 14:05”, with times in the mailbox's time zone, and what could not be filed.",
    resolve: async (status, _args, { em }) => {
      const failures = await filingFailuresOf(em, status.organizationId, status.mailboxId);
      return [explainSync(status), explainFiling(failures)].filter(Boolean).join(' ');
    },
  }),
);
