import { resolve as resolvePath } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import SlowFirst from './test/support/slow-first.ts';

/**
 * Folders whose files share a process per worker: they keep to what their own app says. Whoever builds a schema of its own with the
 * product's builder, measures memory, threads or processor time, changes what belongs to the whole process, or ends it,
 * does not belong here.
 */
const FOLDERS = [
  'access',
  'connect',
  'emulator',
  'mailboxes',
  'microsoft365',
  'outbound',
  'send',
  'sync',
  'ticketing',
];
const OF_THEIR_OWN = [
  'emulator/emulator',
  'microsoft365/upload-memory',
  'ticketing/attachment-memory',
  'ticketing/bodies',
  'ticketing/content-digest',
  'ticketing/embedded-images',
  'ticketing/mail-rule-heavy',
  'ticketing/read-mails',
].map((file) => `test/${file}.test.ts`);

// graphql 16 has two entries: Node takes index.js for Pothos and yoga, Vite would take index.mjs for our files, and two
// copies of graphql refuse each other's schemas.
const resolve = { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] };

// Node keeps what it has compiled: each file is a process that would compile the same modules, a quarter of all computing.
process.env['NODE_COMPILE_CACHE'] ??= resolvePath(import.meta.dirname, 'node_modules/.cache/compiled');

const common = {
  // The limits are for a machine that is busy with other things: nothing waits for them that goes well.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  setupFiles: ['test/support/secret-watch-setup.ts'],
};

export default defineConfig({
  resolve,
  test: {
    // One more than the two cores that this is made for: of two, one waits for a fifth of the time. With more every file only
    // gets slower.
    maxWorkers: 3,
    globalSetup: ['test/support/global-setup.ts'],
    sequence: { sequencer: SlowFirst },
    projects: [
      {
        // A process for each of so many files would spend a third of its time on reading the same modules, and on
        // compiling them again.
        resolve,
        test: {
          ...common,
          name: 'shared',
          include: [`test/{${FOLDERS.join(',')}}/**/*.test.ts`],
          exclude: [...configDefaults.exclude, ...OF_THEIR_OWN],
          isolate: false,
        },
      },
      {
        resolve,
        test: {
          ...common,
          name: 'alone',
          include: ['test/*.test.ts', `test/!(${FOLDERS.join('|')})/**/*.test.ts`, ...OF_THEIR_OWN],
        },
      },
    ],
  },
});
