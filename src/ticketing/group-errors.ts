import { ExpectedError } from '../errors.ts';

/** Another group of the organization has this name, be it in another case. */
export class GroupNameTakenError extends ExpectedError {
  constructor() {
    super(
      'GROUP_NAME_TAKEN',
      'Another group has this name.',
      'Choose another name, or use the group that there is; it may be archived.',
    );
  }
}

/** The group is used, so it cannot be deleted. */
export class GroupInUseError extends ExpectedError {
  constructor(users: string) {
    super(
      'GROUP_IN_USE',
      `The group cannot be deleted: ${users} use it.`,
      'Archive it with `updateGroup`: it keeps what it has and gets nothing new. Or take it away from them first.',
    );
  }
}

/** Nothing can be given to the group: unknown, of another organization, or archived. */
export class GroupNotAvailableError extends ExpectedError {
  constructor() {
    super(
      'GROUP_NOT_AVAILABLE',
      'The group is not an active group of this organization.',
      'Choose another group, or take it back from the archive.',
    );
  }
}

/** The organization has as many groups as it may. */
export class TooManyGroupsError extends ExpectedError {
  constructor(limit: number) {
    super(
      'TOO_MANY_GROUPS',
      `An organization has at most ${limit} groups.`,
      'Delete groups that nobody uses, archived ones included.',
    );
  }
}
