import type { EntityClass } from '@mikro-orm/core';
import type { GraphQLContext } from './context.ts';

/** A row that a global id can name. */
interface Identified {
  id: string;
}

/**
 * The `loadMany` of a node type: rows by their ids, in the order of the ids, one query for all. What the actor's
 * organization does not have is null.
 */
export function loadByIds<Entity extends Identified>(
  entity: EntityClass<Entity>,
): (ids: string[], context: GraphQLContext) => Promise<(Entity | null)[]> {
  return async (ids, { em }) => {
    const rows = await em.find<Identified>(entity as EntityClass<Identified>, { id: { $in: ids } });
    const byId = new Map(rows.map((row) => [row.id, row as Entity]));
    return ids.map((id) => byId.get(id) ?? null);
  };
}
