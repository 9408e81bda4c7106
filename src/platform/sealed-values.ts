import type { EntityManager } from './database.ts';
import type { SecretBox } from './secrets.ts';

/** A column of sealed values. Each is sealed for `<purpose>:<id of its row>`; an empty one holds nothing yet. */
export interface SealedColumn {
  table: string;
  column: string;
  purpose: string;
  /**
   * The columns of times from which on nobody will open the value again: of such rows, one of them is over. They count for
   * nothing when keys are checked.
   */
  worthlessFrom?: readonly string[];
}

/** The values that one key has sealed in one column. */
export interface SealedUnder {
  key: string;
  count: number;
  /** The ids of the newest rows, a few. */
  newestIds: string[];
}

/** A sealed value and its row. */
export interface SealedValue {
  id: string;
  sealed: string;
}

/** What a batch of {@link resealBatch} came to. */
export interface ResealedBatch {
  /** How many values were looked at: fewer than asked for at the end of the table. */
  found: number;
  resealed: number;
  /** Rows whose value no key opens. */
  unreadableIds: string[];
  /** Where the next batch begins. */
  lastId: string | null;
}

/**
 * Which keys the values of a column are sealed under, over all organizations: keys belong to the installation. It reads
 * the name at the head of each value, never the value, which may be long and stored elsewhere. What is worthless is left out:
 * a key that seals nothing else is not needed.
 */
export async function countSealedValues(
  em: EntityManager,
  { table, column, worthlessFrom = [] }: SealedColumn,
): Promise<SealedUnder[]> {
  const rows = await em.execute<{ key: string; count: number; newest: string[] }[]>(
    `select split_part(left(??, 48), '.', 2) as key, count(*)::int as count,
       (array_agg(id::text order by id desc))[1:5] as newest
     from ?? where ?? <> '' and not exists (
       select from json_array_elements_text(?::json) as name where (to_jsonb(??) ->> name)::timestamptz <= now())
     group by 1 order by 1`,
    [column, table, column, JSON.stringify(worthlessFrom), table],
  );
  return rows.map(({ key, count, newest }) => ({ key, count, newestIds: newest }));
}

/** The values of these rows. */
export async function readSealedValues(
  em: EntityManager,
  { table, column }: SealedColumn,
  ids: readonly string[],
): Promise<SealedValue[]> {
  return await em.execute(
    `select id, ?? as sealed from ?? where id in (select value::uuid from json_array_elements_text(?::json))`,
    [column, table, JSON.stringify(ids)],
  );
}

/** Opens a value of a column. Throws when its key is unknown, or it was changed. */
export function openSealedValue(
  box: SecretBox,
  { purpose }: SealedColumn,
  { id, sealed }: SealedValue,
): string {
  return box.open(sealed, `${purpose}:${id}`);
}

/**
 * Seals up to `limit` values that lie behind `after` and are not under the box's first key anew, under that one.
 *
 * Nothing is locked while they are opened: a value that somebody has replaced meanwhile is newer than ours and stays.
 * So any number of processes may do this at once, beside sign-ins and refreshes, and again after having broken off.
 */
export async function resealBatch(
  em: EntityManager,
  box: SecretBox,
  column: SealedColumn,
  { after, limit }: { after: string | null; limit: number },
): Promise<ResealedBatch> {
  const [currentKey] = box.keyNames;
  const found = await em.execute<SealedValue[]>(
    `select id, ?? as sealed from ?? where ?? <> '' and split_part(left(??, 48), '.', 2) <> ?
       and id > coalesce(?::uuid, '00000000-0000-0000-0000-000000000000') order by id limit ?`,
    [column.column, column.table, column.column, column.column, currentKey, after, limit],
  );
  const unreadableIds: string[] = [];
  const values = found.flatMap((value) => {
    try {
      const plain = openSealedValue(box, column, value);
      return [{ ...value, anew: box.seal(plain, `${column.purpose}:${value.id}`) }];
    } catch {
      unreadableIds.push(value.id);
      return [];
    }
  });
  const changed = await em.execute<{ id: string }[]>(
    `update ?? as kept set ?? = value.anew from json_to_recordset(?::json) as value(id uuid, sealed text, anew text)
      where kept.id = value.id and kept.?? = value.sealed returning kept.id`,
    [column.table, column.column, JSON.stringify(values), column.column],
  );
  return {
    found: found.length,
    resealed: changed.length,
    unreadableIds,
    lastId: found.at(-1)?.id ?? null,
  };
}
