import { configDefaults, defineConfig } from 'vitest/config';
import SlowFirst from './test/support/slow-first.ts';

/**
 * Files that need a process of their own: they measure its memory, its threads or its processor time, change what belongs
 * to the whole process, or end it.
 */
const ALONE = [
  'test/architecture.test.ts',
  'test/browser/**/*.test.ts',
  'test/chaos/**/*.test.ts',
  'test/config.test.ts',
  'test/platform/cpu-deadline.test.ts',
  'test/platform/embedded-postgres.test.ts',
  'test/platform/thread-pool.test.ts',
  'test/process.test.ts',
  'test/reliability/**/*.test.ts',
  'test/security/**/*.test.ts',
  'test/ticketing/attachment-memory.test.ts',
  'test/ticketing/mail-rule-heavy.test.ts',
  'test/ticketing/read-mails.test.ts',
];

// graphql 16 has two entries: Node takes index.js for Pothos and yoga, Vite would take index.mjs for our files, and two
// copies of graphql refuse each other's schemas.
const resolve = { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] };

const common = {
  // The limits are for a machine that is busy with other things: nothing waits for them that goes well.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  setupFiles: ['test/support/secret-watch-setup.ts'],
};

export default defineConfig({
  resolve,
  test: {
    // Two cores and a database per file: more workers than this only make every file slower.
    maxWorkers: 2,
    globalSetup: ['test/support/global-setup.ts'],
    sequence: { sequencer: SlowFirst },
    projects: [
      {
        resolve,
        test: { ...common, name: 'alone', include: ALONE },
      },
      {
        // A process for each of so many files would spend a third of its time on reading the same modules, and on
        // compiling them again: the product keeps no state in its modules, so they are read once per worker.
        resolve,
        test: {
          ...common,
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...ALONE],
          isolate: false,
        },
      },
    ],
  },
});
