import { handleJob, type JobHandler } from '../jobs/define-job.ts';
import { importMailJob } from './import.jobs.ts';
import { importMail } from './import-mail.ts';
import type { SyncDependencies } from './run-sync.ts';

/** The job that imports existing mail. */
export function createImportJobs(deps: SyncDependencies): JobHandler[] {
  return [handleJob(importMailJob, (input, context) => importMail(deps, input, context))];
}
