import type { Context, Hono } from 'hono';
import { ExpectedError } from '../errors.ts';
import type { Services } from '../graphql/services.ts';
import type { Account } from '../microsoft365/account.entity.ts';
import { isAdminConsentState } from '../microsoft365/admin-consent.ts';
import { currentCorrelationId } from '../platform/logger.ts';
import type { Routes } from './http-app.ts';

/** What the page says. */
interface Outcome {
  status: 200 | 400 | 500;
  title: string;
  /** Label and value of each line. */
  lines: [label: string, value: string][];
}

/** A page of text: nothing loads, nothing runs, nobody frames it or learns where it was. */
const PAGE_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
};

/**
 * Where Microsoft sends the browser back to. The query holds the authorization code: the answer is never stored, names
 * nobody in a `Referer`, and repeats nothing of the query.
 */
export function oauthCallback({ microsoft365, publicUrl, logger }: Services): Routes {
  return (app: Hono) => {
    app.get('/api/integrations/microsoft365/callback', async (context) => {
      const query = (name: string) => context.req.query(name) ?? null;
      context.header('Cache-Control', 'no-store');
      context.header('Referrer-Policy', 'no-referrer');
      try {
        const answer = {
          state: query('state'),
          error: query('error'),
          errorDescription: query('error_description'),
        };
        if (isAdminConsentState(answer.state)) {
          const consented = await microsoft365.completeAdminConsent(answer);
          return welcome(context, consented.returnTo, 'Consent granted', [
            ['App', consented.integration.clientId],
            ...(consented.account ? accountLines(consented.account) : []),
          ]);
        }
        const { account, returnTo } = await microsoft365.completeSignIn({ ...answer, code: query('code') });
        return welcome(context, returnTo, 'Connected', [
          ['Account', account.emailAddress],
          ['Status', account.status],
        ]);
      } catch (thrown) {
        return page(failure(thrown));
      }
    });
  };

  /** Sends the browser where it wanted to go, or says what came about. */
  function welcome(
    context: Context,
    returnTo: string | null,
    title: string,
    lines: Outcome['lines'],
  ): Response {
    const target = returnTo === null ? null : pathBelow(returnTo, publicUrl);
    if (target !== null) return context.redirect(target, 303);
    return page({ status: 200, title, lines: [...lines, ['Next', 'You can close this window.']] });
  }

  function failure(thrown: unknown): Outcome {
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

  function page({ status, title, lines }: Outcome): Response {
    const list = lines
      .map(([label, value]) => `<dt>${escapeHtml(label)}</dt><dd>${escapeHtml(value)}</dd>`)
      .join('');
    return new Response(
      `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
        `<title>${escapeHtml(title)} – Deskgraph</title><style>${STYLE}</style></head>` +
        `<body><main><h1>${escapeHtml(title)}</h1><dl>${list}</dl></main></body></html>`,
      {
        status,
        headers: { ...PAGE_HEADERS, 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' },
      },
    );
  }
}

const STYLE =
  ':root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}main{max-width:36rem;margin:4rem auto;padding:0 1rem}' +
  'dt{font-weight:600}dd{margin:0 0 1rem;overflow-wrap:anywhere}';

/** What an administrator's consent has made of the tenant's account. */
function accountLines({ displayName, status, problem }: Account): Outcome['lines'] {
  return [
    ['Tenant', displayName],
    ['Status', status],
    ...(problem
      ? ([
          ['What is missing', problem.message],
          ['What to do', problem.remedy],
        ] as Outcome['lines'])
      : []),
  ];
}

/** The target as a whole URL if it is a page of ours, else null: an open redirect would lend our name to anybody. */
function pathBelow(returnTo: string, publicUrl: string): string | null {
  const base = new URL(`${publicUrl}/`);
  if (!returnTo.startsWith('/') || !URL.canParse(returnTo, base)) return null;
  const target = new URL(returnTo, base);
  return target.origin === base.origin && target.pathname.startsWith(base.pathname) ? target.href : null;
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
