import { builder } from '../graphql/builder.ts';
import { explainSync } from './sync-explanation.ts';
import { SyncStatus } from './sync-status.ts';

builder.objectField(SyncStatus, 'explanation', (t) =>
  t.string({
    description:
      "For people: what the sync does and since when, such as “Paused until 14:05”, with times in the mailbox's time zone.",
    resolve: (status) => explainSync(status),
  }),
);
