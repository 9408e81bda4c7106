import { expect, test } from 'vitest';
import { z } from 'zod';
import { InvalidInputError } from '../../src/errors.ts';
import { parseInput } from '../../src/platform/parse-input.ts';

const schema = z.object({
  name: z.string().trim().min(1),
  recipients: z.array(z.object({ address: z.email() })),
});

function refusal(input: unknown): InvalidInputError {
  try {
    parseInput(schema, input);
  } catch (error) {
    if (error instanceof InvalidInputError) return error;
    throw error;
  }
  throw new Error('The input was accepted.');
}

test('gives what the schema makes of a good input', () => {
  expect(parseInput(schema, { name: ' Ada ', recipients: [] })).toEqual({ name: 'Ada', recipients: [] });
});

test('names the first field at fault, with its place in lists, and says what to do', () => {
  const error = refusal({ name: 'Ada', recipients: [{ address: 'a@b.example' }, { address: 'nobody' }] });
  expect(error).toMatchObject({ code: 'INVALID_INPUT', field: 'recipients.1.address' });
  expect(error.message).toContain('recipients.1.address');
  expect(error.remedy).toContain('recipients.1.address');
});

test('an input that is wrong as a whole is called the input', () => {
  expect(refusal('text').field).toBe('input');
});
