import DataLoader from 'dataloader';
import type { EntityManager } from './database.ts';

/**
 * Makes a function that loads one thing out of a function that loads many: calls of the same tick with the same entity
 * manager become one call of `loadMany`, so that a resolver which is asked fifty times sends one statement. Nothing is
 * kept for later: what is asked again after a change is read again.
 *
 * `loadMany` gets each key once. What it leaves out of its answer is undefined; what it throws, every caller gets.
 */
export function batching<Key extends string, Value>(
  loadMany: (em: EntityManager, keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>,
): (em: EntityManager, key: Key) => Promise<Value | undefined> {
  const loaders = new WeakMap<EntityManager, DataLoader<Key, Value | undefined>>();
  const loaderOf = (em: EntityManager): DataLoader<Key, Value | undefined> => {
    const known = loaders.get(em);
    if (known !== undefined) return known;
    const made = new DataLoader<Key, Value | undefined>(
      async (keys) => {
        const found = await loadMany(em, [...new Set(keys)]);
        return keys.map((key) => found.get(key));
      },
      { cache: false },
    );
    loaders.set(em, made);
    return made;
  };
  return (em, key) => loaderOf(em).load(key);
}
