/**
 * Liquid without its doors: no file can be included, no method or inherited property be reached, and nothing take long or
 * much. Who may write templates is trusted with the wording, not with the server, nor with HTML out of customers' mail.
 */
import { Liquid, LiquidError, type Template } from 'liquidjs';
import { isCutOff, withCpuDeadline } from '../platform/cpu-deadline.ts';
import { TemplateError, type TemplatePart } from './template-error.ts';
import { escapeHtml, htmlOfText } from './text-html.ts';

/** Characters of one part of a template. */
export const MAX_TEMPLATE_LENGTH = 50_000;
/** Characters that one part may become: the template, and the few texts that a ticket adds. */
const MAX_OUTPUT_LENGTH = 200_000;
/**
 * Milliseconds that rendering a part may compute; it holds up everything else in the process meanwhile. Liquid's own limit
 * goes by the clock on the wall: a busy machine would spoil mail that is never tried again.
 */
const RENDER_TIME = 100;
/** What liquidjs counts as memory: characters and entries made on the way. */
const RENDER_MEMORY = 500_000;

/** Tags that read other templates, and those that only make sense with them. */
const REMOVED_TAGS = ['include', 'render', 'layout', 'block'];
/** `raw` would let what customers write through as HTML; the others are of no use in a mail. */
const REMOVED_FILTERS = [
  'raw',
  'inspect',
  'where_exp',
  'reject_exp',
  'group_by_exp',
  'find_exp',
  'find_index_exp',
  'has_exp',
];

/** What a template can show: names, texts and numbers, and objects of them. */
export interface TemplateVariables {
  readonly [name: string]: string | number | null | TemplateVariables;
}

const ENGINES: Record<TemplatePart, Liquid> = {
  SUBJECT: createEngine(false),
  TEXT: createEngine(false),
  HTML: createEngine(true),
};

function createEngine(isHtml: boolean): Liquid {
  const engine = new Liquid({
    ownPropertyOnly: true,
    strictVariables: false,
    strictFilters: true,
    // An empty mapping takes the place of the file system.
    templates: {},
    relativeReference: false,
    dynamicPartials: false,
    cache: false,
    parseLimit: MAX_TEMPLATE_LENGTH,
    memoryLimit: RENDER_MEMORY,
    timezoneOffset: 0,
    locale: 'en-GB',
    ...(isHtml && { outputEscape: (value: unknown) => escapeHtml(stringOf(value)) }),
  });
  for (const tag of REMOVED_TAGS) delete engine.tags[tag];
  for (const filter of REMOVED_FILTERS) delete engine.filters[filter];
  // Text with its lines, as HTML; where the part is text it changes nothing.
  engine.registerFilter('paragraphs', {
    raw: true,
    handler: (value: unknown) => (isHtml ? htmlOfText(stringOf(value)) : stringOf(value)),
  });
  return engine;
}

/** Throws {@link TemplateError} for what is no Liquid, or has tags or filters that there are not. */
export function checkLiquid(part: TemplatePart, source: string): void {
  parse(part, source);
}

/**
 * Fills a part of a template in: in HTML everything that is put in is escaped. What there is not is empty. Throws
 * {@link TemplateError}, also for one that takes too long or too much.
 */
export function renderLiquid(part: TemplatePart, source: string, variables: TemplateVariables): string {
  const template = parse(part, source);
  let rendered: string;
  try {
    rendered = withCpuDeadline(RENDER_TIME, () => stringOf(ENGINES[part].renderSync(template, variables)));
  } catch (thrown) {
    if (isCutOff(thrown)) throw new TemplateError(part, 'it takes too long', null);
    throw toTemplateError(part, thrown);
  }
  if (rendered.length > MAX_OUTPUT_LENGTH) {
    throw new TemplateError(part, `it becomes longer than ${MAX_OUTPUT_LENGTH} characters`, null);
  }
  return rendered;
}

function parse(part: TemplatePart, source: string): Template[] {
  if (source.length > MAX_TEMPLATE_LENGTH) {
    throw new TemplateError(part, `it is longer than ${MAX_TEMPLATE_LENGTH} characters`, null);
  }
  try {
    return ENGINES[part].parse(source);
  } catch (thrown) {
    throw toTemplateError(part, thrown);
  }
}

function toTemplateError(part: TemplatePart, thrown: unknown): TemplateError {
  // The time and nesting limits, and anything unforeseen, come without a place.
  if (!LiquidError.is(thrown)) {
    return new TemplateError(part, thrown instanceof Error ? sentence(thrown.message) : 'it fails', null);
  }
  const [line, column] = thrown.token?.getPosition() ?? [];
  const place = line === undefined || column === undefined ? null : { line, column };
  return new TemplateError(part, sentence(thrown.originalError?.message ?? thrown.message), place);
}

/** Without the place, which is told apart. */
function sentence(message: string): string {
  return message
    .replace(/, line:\d+, col:\d+$/, '')
    .replace(/\.$/, '')
    .slice(0, 200);
}

function stringOf(value: unknown): string {
  return value == null ? '' : String(value);
}
