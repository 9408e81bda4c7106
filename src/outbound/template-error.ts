import { ExpectedError } from '../errors.ts';

/** The parts of a template. */
export const TEMPLATE_PARTS = ['SUBJECT', 'HTML', 'TEXT'] as const;
export type TemplatePart = (typeof TEMPLATE_PARTS)[number];

/** A template that is not Liquid, asks for what there is not, or does too much. */
export class TemplateError extends ExpectedError {
  readonly part: TemplatePart;
  /** From 1; null when the fault has no place. */
  readonly line: number | null;
  /** From 1; null when the fault has no place. */
  readonly column: number | null;

  constructor(part: TemplatePart, reason: string, place: { line: number; column: number } | null) {
    const where = place ? `, line ${place.line}, column ${place.column}` : '';
    super(
      'TEMPLATE_INVALID',
      `The template cannot be used (${part.toLowerCase()}${where}): ${reason}.`,
      'Correct it there and try it with `previewMailTemplate`; `MailTemplate.variables` lists what can be shown.',
    );
    this.part = part;
    this.line = place?.line ?? null;
    this.column = place?.column ?? null;
  }
}
