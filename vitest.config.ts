import { defineConfig } from 'vitest/config';

export default defineConfig({
  // graphql 16 has two entries: Node takes index.js for Pothos and yoga, Vite would take index.mjs for our files, and two
  // copies of graphql refuse each other's schemas.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores and a database per file: more workers than this only make every file slower.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    setupFiles: ['test/support/secret-watch-setup.ts'],
    globalSetup: ['test/support/global-setup.ts'],
  },
});
