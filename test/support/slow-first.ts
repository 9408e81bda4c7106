import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The files that take longest, by seconds on two cores. They begin first: one of them that began last would be run by one
 * worker while the other has nothing left to do. A file that is not listed counts by its size.
 */
const SECONDS: Readonly<Record<string, number>> = {
  'test/process.test.ts': 153,
  'test/platform/embedded-postgres.test.ts': 85,
  'test/corpus/content.test.ts': 75,
  'test/browser/hostile-mail.test.ts': 73,
  'test/sync/after-processing.test.ts': 70,
  'test/corpus/machines.test.ts': 69,
  'test/corpus/corpus.test.ts': 65,
  'test/reliability/throttling.test.ts': 59,
  'test/sync/reconcile-trouble.test.ts': 58,
  'test/reliability/recovery.test.ts': 55,
  'test/reliability/polling.test.ts': 54,
  'test/reliability/polling-interval.test.ts': 48,
  'test/chaos/chaos.test.ts': 48,
  'test/reliability/push-loss.test.ts': 43,
  'test/reliability/request-budget.test.ts': 37,
  'test/reliability/two-processes.test.ts': 37,
  'test/corpus/people.test.ts': 36,
};

/** Runs the slow files first, on a machine that has measured nothing yet as well. */
export default class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const bySize = await super.sort(files);
    const secondsOf = ({ moduleId }: TestSpecification) =>
      SECONDS[relative(this.ctx.config.root, moduleId).replaceAll('\\', '/')] ?? 0;
    // Stable: files that take equally long stay in their order.
    return bySize.toSorted((a, b) => secondsOf(b) - secondsOf(a));
  }
}
