/**
 * The places of a delivery where a process may die: after each change here or at Microsoft, and before the next one. Tests
 * let it die at each of them. `draft.reply-made`: Exchange has made a reply, and it does not say yet what the mail says.
 * `file.session-kept` and `file.range-sent`: before and between the ranges of a file that goes up in an upload session.
 */
export const FAULT_POINTS = [
  'claim.committed',
  'draft.intent-committed',
  'draft.reply-made',
  'draft.created',
  'draft.stored',
  'file.session-kept',
  'file.range-sent',
  'file.added',
  'files.stored',
  'send.intent-committed',
  'send.done',
  'sent.stored',
  'copy.checked',
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** Called at each point that a delivery passes. What it throws ends the job as a crash would: nothing more is written. */
export type Reached = (point: FaultPoint) => void | Promise<void>;

/** What a test's `reached` has thrown: passed on by everything, like the end of the process that it stands for. */
export class CrashedError extends Error {}

/** Nothing happens. */
export const nothingHappens: Reached = () => undefined;

/** Makes what `reached` throws a {@link CrashedError}, so that no failure policy takes it for one of Microsoft's. */
export function crashing(reached: Reached): Reached {
  return async (point) => {
    try {
      await reached(point);
    } catch (cause) {
      throw new CrashedError(`The process was ended at ${point}.`, { cause });
    }
  };
}
