import { type Disturbances, describe } from './disturbances.ts';
import type { PlannedFault } from './plan-faults.ts';
import { lineOf, strike, type Target } from './strike.ts';
import type { Timetable } from './timetable.ts';

/** Lets everything go wrong at its time; resolves when all of it is over. */
export async function wreak(
  target: Target,
  faults: readonly PlannedFault[],
  timetable: Timetable,
  disturbances: Disturbances,
  log: (line: string) => void,
): Promise<void> {
  const lines = new Map<string, Promise<void>>();
  const happening = faults.map(async ({ at, milliseconds, action }) => {
    const happen = async () => {
      await timetable.until(at);
      if (action.kind !== 'CUT')
        log(`${(at / 1_000).toFixed(1)} s: ${describe(action)} for ${Math.round(milliseconds)} ms`);
      const end = disturbances.begin(action);
      try {
        await strike(target, action, () => timetable.pause(milliseconds), milliseconds);
      } finally {
        end();
      }
    };
    const line = lineOf(action);
    if (line === null) return happen();
    const turn = (lines.get(line) ?? Promise.resolve()).then(happen);
    lines.set(line, turn);
    return turn;
  });
  const results = await Promise.allSettled(happening);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
