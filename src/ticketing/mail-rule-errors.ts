import { ExpectedError } from '../errors.ts';

/** Another mail rule of the organization has this name, be it in another case. */
export class MailRuleNameTakenError extends ExpectedError {
  constructor() {
    super(
      'MAIL_RULE_NAME_TAKEN',
      'Another mail rule has this name.',
      'Choose another name: the ledger names the rules that acted by it.',
    );
  }
}

/** The organization has as many mail rules as it may. */
export class TooManyMailRulesError extends ExpectedError {
  constructor(limit: number) {
    super(
      'TOO_MANY_MAIL_RULES',
      `An organization has at most ${limit} mail rules.`,
      'Delete rules, disabled ones included, or put several into one: a rule has up to 20 conditions.',
    );
  }
}
