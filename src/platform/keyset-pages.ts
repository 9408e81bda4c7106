import { type EntityClass, type FilterQuery, type QueryOrderMap, Reference, raw } from '@mikro-orm/core';
import type { QBFilterQuery } from '@mikro-orm/postgresql';
import DataLoader from 'dataloader';
import type { EntityManager } from './database.ts';
import {
  findPage,
  type Identified,
  type KeysetOrder,
  type Page,
  type PageArguments,
  pageWindow,
  toPage,
} from './keyset.ts';

/** References from a child to the parent that the list is of. */
export type ParentPath<Entity> = (keyof Entity & string) | `${keyof Entity & string}.${string}`;

/** The lists of many parents: the messages of each of these tickets. */
export interface ChildLists<Entity> {
  /** The reference to the parent, or the path to it by way of others: `account.integration`. */
  parent: ParentPath<Entity>;
  parentIds: readonly string[];
  /** Which children belong to the list; all of them when left out. */
  where?: FilterQuery<Entity>;
}

/**
 * The page that `findPage` would give for each parent, in ONE statement however many parents there are: for each of them
 * the index is entered where the page begins and left where it ends. Cursors are those of `findPage`.
 *
 * Needs an index on organization, parent, key and id. Throws as `findPage` does.
 */
export async function findPages<Entity extends Identified>(
  em: EntityManager,
  entity: EntityClass<Entity>,
  { parent, parentIds, where = {} }: ChildLists<Entity>,
  order: KeysetOrder<Entity>,
  args: PageArguments,
): Promise<Map<string, Page<Entity>>> {
  const window = pageWindow(em, entity, order, args);
  const ids = [...new Set(parentIds)];
  const conditions = [belongsTo(parent, raw('parent.id')), where, ...window.conditions];
  const children = em
    .createQueryBuilder(entity as EntityClass<Identified>, 'child')
    .select('id')
    .where({ $and: conditions } as QBFilterQuery<Identified>)
    .orderBy(window.orderBy as QueryOrderMap<Identified>[])
    .limit(window.limit);
  await children.applyFilters();
  const { sql, params } = children.toQuery();
  const found = await em.find(
    entity,
    {
      id: {
        $in: raw(`select page.id from unnest(?::uuid[]) as parent (id), lateral (${sql}) as page`, [
          `{${ids.join(',')}}`,
          ...params,
        ]),
      },
    } as unknown as FilterQuery<Entity>,
    { orderBy: window.orderBy, populate: above(parent) as never },
  );
  const byParent = Map.groupBy(found as Entity[], (row) => parentIdOf(row, parent));
  return new Map(ids.map((id) => [id, toPage(byParent.get(id) ?? [], order, args)]));
}

/** Loaders of one entity manager, by entity, parent, order and page. They live as long as it does: for one request. */
const loaders = new WeakMap<EntityManager, Map<string, unknown>>();

/**
 * The page of one parent's list, for resolvers: what is asked for in the same tick for the same page of many parents is
 * one statement. Nothing is kept for later, so a list that is read again after a change shows it.
 *
 * Throws as `findPage` does.
 */
export function findPageOf<Entity extends Identified>(
  em: EntityManager,
  entity: EntityClass<Entity>,
  { parent, id, where = {} }: { parent: ParentPath<Entity>; id: string; where?: FilterQuery<Entity> },
  order: KeysetOrder<Entity>,
  args: PageArguments,
): Promise<Page<Entity>> {
  const ofManager = loaders.get(em) ?? new Map<string, unknown>();
  loaders.set(em, ofManager);
  const { first, after, last, before } = args;
  const key = JSON.stringify([
    entity.name,
    parent,
    where,
    order.key,
    order.direction,
    first,
    after,
    last,
    before,
  ]);
  const loader =
    (ofManager.get(key) as DataLoader<string, Page<Entity>> | undefined) ??
    new DataLoader<string, Page<Entity>>(
      async (ids) => {
        const [only] = ids;
        if (only !== undefined && ids.length === 1) {
          const ofParent = { $and: [belongsTo(parent, only), where] } as FilterQuery<Entity>;
          return [await findPage(em, entity, ofParent, order, args)];
        }
        const pages = await findPages(em, entity, { parent, parentIds: ids, where }, order, args);
        return ids.map((one) => pages.get(one) ?? toPage([], order, args));
      },
      { cache: false },
    );
  ofManager.set(key, loader);
  return loader.load(id);
}

/** The condition that `parent` is `value`. */
function belongsTo(parent: string, value: unknown): object {
  return parent.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;
}

/** What lies between a child and its parent and must be loaded to tell whose it is. */
function above(parent: string): string[] {
  return parent.includes('.') ? [parent.slice(0, parent.lastIndexOf('.'))] : [];
}

function parentIdOf(row: object, parent: string): string {
  const reference = parent
    .split('.')
    .reduce<unknown>((entity, name) => Reference.unwrapReference(entity as object)[name as never], row);
  return (reference as Identified).id;
}
