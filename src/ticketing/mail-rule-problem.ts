import type { User } from '../access/user.entity.ts';
import type { Problem } from '../platform/problem.ts';
import type { Group } from './group.entity.ts';

/** Why a rule that names these does nothing; null when it works. What is deleted cannot be named by any rule. */
export function mailRuleProblem(
  group: Pick<Group, 'name' | 'archivedAt'> | null,
  assignee: Pick<User, 'name' | 'disabledAt'> | null,
): Problem | null {
  if (group?.archivedAt) {
    return {
      code: 'GROUP_NOT_AVAILABLE',
      message: `The group "${group.name}" is archived, so the rule is passed over.`,
      remedy: 'Choose another group, or take it back from the archive.',
      since: group.archivedAt.toISOString(),
    };
  }
  if (assignee?.disabledAt) {
    return {
      code: 'ASSIGNEE_NOT_AVAILABLE',
      message: `The user "${assignee.name}" is disabled, so the rule is passed over.`,
      remedy: 'Choose another user, or none.',
      since: assignee.disabledAt.toISOString(),
    };
  }
  return null;
}
