import type { EntityManager } from '../platform/database.ts';
import { REQUESTS_PER_WINDOW } from './graph-budget.ts';

/** How much of what Microsoft grants an app in a mailbox is used. */
export interface RequestBudget {
  /** Requests of the last ten minutes, each part of a batch counted; some seconds old. */
  used: number;
  /** What Microsoft grants in ten minutes. */
  limit: number;
  /** Until when nothing is asked of the mailbox; null when it may be. */
  throttledUntil: Date | null;
  /** Until when nothing is moved in the mailbox; null when it may be. */
  movesThrottledUntil: Date | null;
}

interface Row {
  key: string;
  used: number;
  paused_until: Date | string | null;
  moves_paused_until: Date | string | null;
}

/**
 * Reads budgets by their `budgetKey`, in one statement. The caller makes the keys out of rows of its own organization:
 * nothing else says whose they are.
 */
export async function readBudgets(
  em: EntityManager,
  keys: readonly string[],
): Promise<Map<string, RequestBudget>> {
  const rows = await em.execute<Row[]>(
    `select asked.key, coalesce(used.requests, 0)::int as used, pause.paused_until, pause.moves_paused_until
     from unnest(?::text[]) as asked (key)
       left join lateral (
         select sum(requests) as requests from graph_usage
         where graph_usage.key = asked.key and slice > now() - interval '630 seconds'
       ) as used on true
       left join lateral (
         select case when paused_until > now() then paused_until end as paused_until,
           case when moves_paused_until > now() then moves_paused_until end as moves_paused_until
         from graph_pause where graph_pause.key = asked.key
       ) as pause on true`,
    [`{${keys.join(',')}}`],
  );
  return new Map(
    rows.map(({ key, used, paused_until, moves_paused_until }) => [
      key,
      {
        used,
        limit: REQUESTS_PER_WINDOW,
        throttledUntil: paused_until === null ? null : new Date(paused_until),
        movesThrottledUntil: moves_paused_until === null ? null : new Date(moves_paused_until),
      },
    ]),
  );
}
