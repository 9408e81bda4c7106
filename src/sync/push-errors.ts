import { ExpectedError } from '../errors.ts';
import type { Problem } from '../platform/problem.ts';
import type { Explanation } from './push-environment.ts';

/** A probe was asked for where Microsoft cannot announce mail at all. */
export class PushImpossibleError extends ExpectedError {
  constructor({ reason, remedy }: Explanation) {
    super('PUSH_IMPOSSIBLE', reason, remedy);
  }
}

/** A probe was asked for while Microsoft has no subscription that it could be about. */
export class PushNotActiveError extends ExpectedError {
  constructor(problem: Problem | null) {
    super(
      'PUSH_NOT_ACTIVE',
      problem?.message ?? 'Microsoft is being asked for the subscription; there is nothing to probe yet.',
      problem?.remedy ?? 'Wait until `syncStatus.pushSubscription` is ACTIVE: it is probed then by itself.',
    );
  }
}

/** Each probe makes a draft that somebody may see; one a minute is enough. */
export class PushProbeTooSoonError extends ExpectedError {
  constructor(seconds: number) {
    super(
      'PUSH_PROBE_TOO_SOON',
      'The mailbox was probed less than a minute ago.',
      `Read what came of it in \`syncStatus.pushSubscription.lastProbe\`, or ask again in ${seconds} s.`,
    );
  }
}
