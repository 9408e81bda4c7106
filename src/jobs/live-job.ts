/**
 * A condition in SQL: a job waits or runs under the key `keySql` of the job named `nameSql`. One that failed for good does
 * not count. Both are SQL expressions, such as `?` or a column; the key is what the job's `key` gives.
 */
export function liveJobExists(nameSql: string, keySql: string): string {
  return `exists (select from graphile_worker._private_jobs as job
    where job.key = ${nameSql}::text || ':' || ${keySql} and (job.attempts < job.max_attempts or job.locked_at is not null))`;
}
