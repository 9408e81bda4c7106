import type { EntityManager } from '../platform/database.ts';
import type { DomainEvent } from './catalogue.ts';

/** The channel that wakes the readers of the event log in every process. */
export const EVENT_CHANNEL = 'deskgraph_event';

/**
 * Writes events into the log, in the caller's transaction: they exist exactly if the change was committed. The `NOTIFY`
 * that goes with it is delivered at commit and is only a hint; PostgreSQL folds many of one transaction into one.
 *
 * Call it inside `em.transactional`: outside of a transaction the change and its event could part.
 */
export async function recordEvents(
  em: EntityManager,
  organizationId: string,
  events: readonly DomainEvent[],
): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map(({ type, ...payload }) => ({ type, payload }));
  await em.execute(
    `with recorded as (
       insert into event (organization_id, type, payload)
       select ?::uuid, type, payload from jsonb_to_recordset(?::jsonb) as row(type text, payload jsonb)
     )
     select pg_notify('${EVENT_CHANNEL}', '')`,
    [organizationId, JSON.stringify(rows)],
  );
}
