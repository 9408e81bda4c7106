import DataLoader from 'dataloader';
import type { EntityManager } from './database.ts';

/** Reads rows by SQL; an entity manager does. */
export interface Reads {
  execute<Rows extends object[]>(sql: string, params?: readonly unknown[]): Promise<Rows>;
}

interface AskedRead {
  sql: string;
  params: readonly unknown[];
}

/**
 * Reads that are asked for in the same turn go to the database as one statement: with a transaction open, each round trip
 * is one that everybody behind its locks waits for. What a later read needs of an earlier one it awaits as ever.
 *
 * Rows come as JSON has them: times as strings, which `new Date` reads, and a bigint as a number. When one read fails, all
 * of its turn do. For reads only: PostgreSQL allows no other statement inside of one.
 */
export function batchReads(em: EntityManager): Reads {
  const loader = new DataLoader<AskedRead, object[]>((asked) => readTogether(em, asked), { cache: false });
  return {
    execute: <Rows extends object[]>(sql: string, params: readonly unknown[] = []) =>
      loader.load({ sql, params }) as Promise<Rows>,
  };
}

async function readTogether(em: EntityManager, asked: readonly AskedRead[]): Promise<object[][]> {
  const parts = asked.map(
    ({ sql }, place) => `(select coalesce(json_agg(found), '[]') from (${sql}) as found) as "${place}"`,
  );
  const params = asked.flatMap((read) => read.params);
  const sql = `select ${parts.join(', ')}`;
  const [row] = await em.execute<Record<string, object[]>[]>(sql, params);
  return asked.map((_, place) => row?.[place] ?? []);
}
