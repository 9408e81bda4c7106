import { afterAll } from 'vitest';
import type { SecretWatch } from './secret-watch.ts';

// Read from where it stands instead of imported: most files start no server, and pay nothing.
const KEY = Symbol.for('deskgraph.test.secret-watch');

/* Registered first, it runs last: everything was stopped. */
afterAll(() => {
  const watch: SecretWatch | undefined = Reflect.get(globalThis, KEY);
  if (!watch) return;
  const started = performance.now();
  const leaks = watch.leaks();
  if (process.env['TEST_SECRET_WATCH'] === 'figures') {
    const figures = { ...watch.heardBytes, ms: Math.round(performance.now() - started) };
    process.stderr.write(
      `secret watch: ${JSON.stringify({ ...figures, secrets: Object.fromEntries(watch.secrets.kinds) })}\n`,
    );
  }
  watch.close();
  if (leaks.length === 0) return;
  const told = leaks.map(({ source, kind, near }) => `${kind} in ${source}, near: ${near}`);
  throw new Error(`Secrets were told by the servers of this file:\n${[...new Set(told)].join('\n')}`);
});
