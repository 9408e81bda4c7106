/**
 * A condition in SQL: a job waits or runs under the key `keySql` of the job named `nameSql`. One that failed for good does
 * not count. Both are SQL expressions, such as `?` or a column; the key is what the job's `key` gives.
 */
export function liveJobExists(nameSql: string, keySql: string): string {
  return `exists (select from graphile_worker._private_jobs as job
    where job.key = ${nameSql}::text || ':' || ${keySql} and (job.attempts < job.max_attempts or job.locked_at is not null))`;
}

/**
 * The same, without one that waits to be tried again because it failed: its waits grow to hours, also when it did not fail
 * but its worker died, and whatever was in the way may be over. To enqueue it anew moves it to now, and counts from the
 * beginning.
 */
export function unhinderedJobExists(nameSql: string, keySql: string): string {
  return `exists (select from graphile_worker._private_jobs as job
    where job.key = ${nameSql}::text || ':' || ${keySql} and (job.locked_at is not null
      or (job.attempts < job.max_attempts and (job.attempts = 0 or job.run_at <= now()))))`;
}
