import { z } from 'zod';
import { InvalidInputError } from '../errors.ts';

/** Text for one line, trimmed. Control characters are refused: PostgreSQL stores no U+0000, and the others break lines. */
export const oneLine = z
  .string()
  .trim()
  .regex(/^\P{Cc}*$/u, 'it holds control characters');

/** Parses an input. Throws {@link InvalidInputError} that names the first field at fault and says what is wrong. */
export function parseInput<Output>(schema: z.ZodType<Output>, input: unknown): Output {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') || 'input';
  throw new InvalidInputError(
    field,
    `The field "${field}" is not valid: ${issue?.message ?? 'it does not fit'}.`,
    `Correct "${field}" and try again.`,
  );
}
