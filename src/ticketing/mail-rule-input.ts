import { z } from 'zod';
import { oneLine } from '../platform/parse-input.ts';
import { cleanLine } from './clean-text.ts';
import { MAIL_RULE_MATCHES } from './mail-rule.entity.ts';
import {
  domainOfRule,
  MAIL_RULE_FIELDS,
  MAIL_RULE_OPERATORS,
  type MailRuleCondition,
  type MailRuleField,
  type MailRuleOperator,
} from './mail-rule-match.ts';
import { TICKET_PRIORITIES } from './ticket.entity.ts';

/** The most conditions of one rule. */
export const MAX_CONDITIONS = 20;
/** The longest text that a condition compares with, in characters: see the reckoning in mail-rule-match.ts. */
export const MAX_VALUE_LENGTH = 200;
/** The most tags that one rule adds. */
const MAX_RULE_TAGS = 20;

const TEXT = ['CONTAINS', 'EQUALS', 'STARTS_WITH', 'ENDS_WITH', 'MATCHES'] as const;

/** Which operators go with which fields. */
export const OPERATORS_OF: Readonly<Record<MailRuleField, readonly MailRuleOperator[]>> = {
  SENDER: [...TEXT, 'IN_DOMAIN', 'PRESENT'],
  RECIPIENT: [...TEXT, 'IN_DOMAIN', 'PRESENT'],
  SUBJECT: TEXT,
  HEADER: [...TEXT, 'PRESENT'],
  BODY: TEXT,
  SIZE: ['OVER', 'UNDER'],
  HAS_ATTACHMENT: ['PRESENT'],
};

const condition = z
  .object({
    field: z.enum(MAIL_RULE_FIELDS),
    operator: z.enum(MAIL_RULE_OPERATORS),
    value: z.string().max(MAX_VALUE_LENGTH).transform(cleanLine).nullish(),
    headerName: z
      .string()
      .max(100)
      .regex(/^[!-9;-~]+$/, 'it is not the name of a header') // RFC 5322, 2.2
      .nullish(),
    bytes: z.int().min(0).nullish(),
    negated: z.boolean().nullish(),
  })
  .transform(
    ({ field, operator, value, headerName, bytes, negated }): MailRuleCondition => ({
      field,
      operator,
      value: value ?? null,
      headerName: headerName ?? null,
      bytes: bytes ?? null,
      negated: negated ?? false,
    }),
  )
  .superRefine((given, context) => {
    const fault = faultOf(given);
    if (fault !== null) context.addIssue({ code: 'custom', path: [fault.part], message: fault.message });
  });

/** What does not fit together in a condition; null when all does. */
function faultOf(given: MailRuleCondition): { part: keyof MailRuleCondition; message: string } | null {
  const { field, operator, value, headerName, bytes } = given;
  const allowed = OPERATORS_OF[field];
  if (!allowed.includes(operator)) {
    return { part: 'operator', message: `${field} goes with ${allowed.join(', ')}` };
  }
  if ((field === 'HEADER') !== (headerName !== null)) {
    return { part: 'headerName', message: 'it belongs to the field HEADER, which needs it' };
  }
  if ((field === 'SIZE') !== (bytes !== null)) {
    return { part: 'bytes', message: 'it belongs to the field SIZE, which needs it' };
  }
  const comparesText = field !== 'SIZE' && operator !== 'PRESENT';
  if (comparesText !== (value !== null)) {
    return { part: 'value', message: 'it belongs to the operators that compare text, which need it' };
  }
  if (value === '') return { part: 'value', message: 'it is empty' };
  if (operator === 'IN_DOMAIN' && domainOfRule(value ?? '') === '') {
    return { part: 'value', message: 'it is no domain' };
  }
  return null;
}

const actions = z.object({
  groupId: z.uuid().nullish(),
  priority: z.enum(TICKET_PRIORITIES).nullish(),
  tags: z
    .array(z.string().max(50).transform(cleanLine).pipe(z.string().min(1)))
    .max(MAX_RULE_TAGS)
    .transform((given) => [...new Set(given)])
    .nullish(),
  assigneeId: z.uuid().nullish(),
  ignore: z.boolean().nullish(),
});

const name = oneLine.min(1).max(100);
const conditions = z.array(condition).min(1).max(MAX_CONDITIONS);
const position = z.int().min(1);

/** A rule that is to be made, or only tried. */
export const newMailRule = z
  .object({
    name,
    enabled: z.boolean().nullish(),
    position: position.nullish(),
    match: z.enum(MAIL_RULE_MATCHES).nullish(),
    conditions,
    actions: actions.nullish(),
    stop: z.boolean().nullish(),
  })
  .refine((rule) => doesSomething(rule), {
    path: ['actions'],
    message: 'the rule would do nothing: give an action, or "stop"',
  });

/** A change of a rule; what is left out or null stays. */
export const mailRuleChange = z.object({
  id: z.uuid(),
  name: name.nullish(),
  enabled: z.boolean().nullish(),
  match: z.enum(MAIL_RULE_MATCHES).nullish(),
  conditions: conditions.nullish(),
  actions: actions.nullish(),
  stop: z.boolean().nullish(),
});

/** Where a rule is to go; beyond the end is the end. */
export const mailRuleMove = z.object({ id: z.uuid(), position });

export type NewMailRule = z.input<typeof newMailRule>;
export type MailRuleChange = z.input<typeof mailRuleChange>;
export type MailRuleMove = z.input<typeof mailRuleMove>;
export type MailRuleActions = z.output<typeof actions>;

/** Whether a rule has any effect when it matches. */
export function doesSomething(rule: {
  actions?: MailRuleActions | null | undefined;
  stop?: boolean | null | undefined;
}): boolean {
  const { groupId, priority, tags, assigneeId, ignore } = rule.actions ?? {};
  const acts = groupId != null || priority != null || (tags ?? []).length > 0 || assigneeId != null;
  return acts || ignore === true || rule.stop === true;
}
