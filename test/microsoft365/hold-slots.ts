import { createGraphGate } from '../../src/microsoft365/graph-gate.ts';
import { createSharedBudget } from '../../src/microsoft365/graph-shared-budget.ts';
import { createLogger } from '../../src/platform/logger.ts';

/* A process that takes all four slots of a mailbox and keeps them until it is killed. */
const [databaseUrl = '', key = ''] = process.argv.slice(2);
const budget = createSharedBudget({ databaseUrl, logger: createLogger('silent') });
const gate = createGraphGate(budget);
budget.attach(gate);
const connected = setInterval(async () => {
  if (budget.held('nobody') > 0) return;
  clearInterval(connected);
  await gate.enter(key, { slots: 4 }, AbortSignal.timeout(10_000));
  process.stdout.write('held\n');
}, 10);
