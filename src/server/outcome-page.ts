import type { Context } from 'hono';
import { ExpectedError } from '../errors.ts';
import { currentCorrelationId, type Logger } from '../platform/logger.ts';

/** What a page says. */
export interface Outcome {
  status: 200 | 400 | 500;
  title: string;
  /** Label and value of each line. */
  lines: [label: string, value: string][];
  /** Where the person came from: the whole URL of a page of ours. Null or left out where that is not known. */
  back?: string | null;
}

/** A page of text: nothing loads, nothing runs, nobody frames it or learns where it was. */
const PAGE_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
};

const STYLE =
  ':root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}main{max-width:36rem;margin:4rem auto;padding:0 1rem}' +
  'dt{font-weight:600}dd{margin:0 0 1rem;overflow-wrap:anywhere}';

/** Keeps an answer that belongs to a sign-in out of caches, and its address out of every `Referer`. */
export function keepPrivate(context: Context): void {
  context.header('Cache-Control', 'no-store');
  context.header('Referrer-Policy', 'no-referrer');
}

/** What went wrong with a sign-in, its code and its remedy; what was unexpected is logged and named by its log id alone. */
export function failureOutcome(logger: Logger, thrown: unknown): Outcome {
  if (thrown instanceof ExpectedError) {
    const { code, message, remedy } = thrown;
    logger.info({ code }, 'a sign-in was not completed');
    return {
      status: 400,
      title: 'Not connected',
      lines: [
        ['What happened', message],
        ['What to do', remedy],
        ['Code', code],
      ],
    };
  }
  logger.error({ err: thrown }, 'unexpected error while completing a sign-in');
  return {
    status: 500,
    title: 'Not connected',
    lines: [
      ['What happened', 'Something unexpected.'],
      ['What to do', 'Start the sign-in again. If it fails again, the log has the reason.'],
      ['Log id', currentCorrelationId() ?? ''],
    ],
  };
}

/** The page for a browser that takes part in a sign-in. */
export function outcomePage({ status, title, lines, back = null }: Outcome): Response {
  const list = lines
    .map(([label, value]) => `<dt>${escapeHtml(label)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('');
  const link = back === null ? '' : `<p><a href="${escapeHtml(back)}">Back to where you came from</a></p>`;
  return new Response(
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
      `<title>${escapeHtml(title)} – Deskgraph</title><style>${STYLE}</style></head>` +
      `<body><main><h1>${escapeHtml(title)}</h1><dl>${list}</dl>${link}</main></body></html>`,
    {
      status,
      headers: { ...PAGE_HEADERS, 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' },
    },
  );
}

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
}
