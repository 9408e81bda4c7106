import { GraphQLError, parse } from 'graphql';
import { expect, test, vi } from 'vitest';
import '../../src/graphql/errors.graphql.ts';
import { ExpectedError } from '../../src/errors.ts';
import { builder } from '../../src/graphql/builder.ts';
import { type Caller, executeOnce } from '../../src/graphql/execution.ts';
import { createMaskError } from '../../src/graphql/mask-error.ts';
import type { Services } from '../../src/graphql/services.ts';
import { createLogger, withCorrelation } from '../../src/platform/logger.ts';

const ended: unknown[] = [];
builder.queryField('endless', (t) =>
  t.string({
    description: 'Never answers.',
    skipTypeScopes: true,
    resolve: (_root, _args, { signal }) =>
      new Promise<string>(() => signal.addEventListener('abort', () => ended.push(signal.reason))),
  }),
);
builder.mutationField('unused', (t) => t.string({ description: 'Unused.', resolve: () => '' }));
builder.subscriptionField('unused', (t) =>
  t.string({
    description: 'Unused.',
    subscribe: () => [] as unknown as AsyncIterable<string>,
    resolve: () => '',
  }),
);
const schema = builder.toSchema();

test('an operation that does not end is ended after 30 seconds, and its signal with it', async () => {
  vi.useFakeTimers();
  try {
    const caller: Caller = {
      session: null,
      signal: new AbortController().signal,
      reload: async () => null,
      openStream: () => ({ signal: new AbortController().signal, [Symbol.dispose]: () => undefined }),
    };
    const result = executeOnce(
      { schema, document: parse('{ endless }') },
      { services: {} as Services, caller, maskError: createMaskError(createLogger('silent')) },
    );
    await vi.advanceTimersByTimeAsync(29_999);
    expect(ended).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await result).toMatchObject({
      errors: [{ extensions: { code: 'TIMEOUT', remedy: expect.any(String) } }],
    });
    expect(ended).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('what was thrown is shown if it was expected, and masked and logged once if not', () => {
  const lines: string[] = [];
  const maskError = createMaskError(createLogger('info', { write: (line) => lines.push(line) }));
  const expected = new ExpectedError('NOT_FOUND', 'It is not here.', 'Look elsewhere.');
  const wrapped = new GraphQLError('wrapped', {
    originalError: new GraphQLError('again', { originalError: expected }),
    path: ['a', 0],
  });
  expect(maskError(wrapped).toJSON()).toEqual({
    message: 'It is not here.',
    path: ['a', 0],
    extensions: { code: 'NOT_FOUND', remedy: 'Look elsewhere.' },
  });
  expect(lines).toEqual([]);
  const masked = withCorrelation('id-1', () =>
    maskError(new GraphQLError('x', { originalError: new Error('hunter2') })),
  );
  expect(masked.toJSON()).toMatchObject({
    message: 'Unexpected error.',
    extensions: { code: 'INTERNAL_SERVER_ERROR', correlationId: 'id-1' },
  });
  expect(JSON.stringify(masked)).not.toContain('hunter2');
  expect(lines).toHaveLength(1);
  expect(maskError('a string').message).toBe('Unexpected error.');
});
