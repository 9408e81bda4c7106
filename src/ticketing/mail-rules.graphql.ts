import type { InputFieldBuilder } from '@pothos/core';
import { User } from '../access/user.entity.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, enumType, errorType, type SchemaTypes } from '../graphql/builder.ts';
import { connectionType } from '../graphql/connection.ts';
import { decodeId, encodeGlobalId } from '../graphql/global-id.ts';
import { loadByIds } from '../graphql/load-by-ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { ProblemType } from '../graphql/problem.graphql.ts';
import { Group } from './group.entity.ts';
import { GroupNotAvailableError } from './group-errors.ts';
import { MailRule } from './mail-rule.entity.ts';
import { MailRuleNameTakenError, TooManyMailRulesError } from './mail-rule-errors.ts';
import { MAX_CONDITIONS, MAX_VALUE_LENGTH, type NewMailRule } from './mail-rule-input.ts';
import { MAX_RULE_TEXT_LENGTH, type MailRuleCondition } from './mail-rule-match.ts';
import { mailRuleProblem } from './mail-rule-problem.ts';
import {
  createMailRule,
  deleteMailRule,
  listMailRules,
  MAX_MAIL_RULES,
  moveMailRule,
  updateMailRule,
} from './mail-rules.ts';
import { AssigneeNotAvailableError } from './ticketing-errors.ts';
import { TicketPriorityEnum } from './tickets.graphql.ts';

errorType(MailRuleNameTakenError, 'Another mail rule of the organization has this name.');
errorType(TooManyMailRulesError, 'The organization has as many mail rules as it may.');

const MailRuleFieldEnum = enumType('MailRuleField', 'What of a mail a condition looks at.', {
  SENDER: 'The address of who wrote it. Names are not looked at: anybody may call themselves anything.',
  RECIPIENT: 'The addresses in To and Cc; one of them is enough.',
  SUBJECT: 'The subject.',
  HEADER: 'The internet header that `headerName` names; of several one is enough.',
  BODY: `The first ${MAX_RULE_TEXT_LENGTH.toLocaleString('en')} characters of its text, quotes included.`,
  SIZE: 'The bytes of its headers and body. Attachments do not count: Microsoft does not tell their size with the mail.',
  HAS_ATTACHMENT: 'Whether files are attached, other than images that are shown within the text.',
});

const MailRuleOperatorEnum = enumType(
  'MailRuleOperator',
  'How a condition looks at it. Upper and lower case and kinds of white space make no difference to texts.',
  {
    CONTAINS: 'The text has the value in it.',
    EQUALS: 'The text is the value.',
    STARTS_WITH: 'The text begins with the value.',
    ENDS_WITH: 'The text ends with the value.',
    MATCHES:
      'The whole text is as the value says, in which `*` stands for anything or nothing: `invoice*2026`.',
    IN_DOMAIN: 'The address is in the domain, or in one below it. For SENDER and RECIPIENT.',
    PRESENT: 'There is one at all. For SENDER, RECIPIENT, HEADER and HAS_ATTACHMENT.',
    OVER: 'It has more than `bytes`. For SIZE.',
    UNDER: 'It has less than `bytes`. For SIZE.',
  },
);

const MailRuleMatchEnum = enumType('MailRuleMatch', 'How many conditions of a mail rule must hold.', {
  ALL: 'Every one.',
  ANY: 'At least one.',
});

/** A condition, in a saved rule and in the answer of a test. */
export const MailRuleConditionType = builder.objectRef<MailRuleCondition>('MailRuleCondition').implement({
  description: 'One question that a mail rule asks about a mail.',
  authScopes: { permission: 'mail-rule:read' },
  fields: (t) => ({
    field: t.expose('field', { type: MailRuleFieldEnum, description: 'What it looks at.' }),
    operator: t.expose('operator', { type: MailRuleOperatorEnum, description: 'How.' }),
    value: t.exposeString('value', {
      nullable: true,
      description: 'What text is compared with; null where none is.',
    }),
    headerName: t.exposeString('headerName', {
      nullable: true,
      description: 'Which header; null but for HEADER.',
    }),
    bytes: t.exposeInt('bytes', { nullable: true, description: 'How many bytes; null but for SIZE.' }),
    negated: t.exposeBoolean('negated', { description: 'Whether it holds where it otherwise would not.' }),
  }),
});

const MailRuleActionsType = builder.objectRef<MailRule>('MailRuleActions').implement({
  description: 'What a mail rule does with a mail that matches.',
  authScopes: { permission: 'mail-rule:read' },
  fields: (t) => ({
    group: t.field({
      type: Group,
      nullable: true,
      description: 'The group that the ticket goes to; null: as it would.',
      resolve: ({ group }) => group?.load() ?? null,
    }),
    priority: t.field({
      type: TicketPriorityEnum,
      nullable: true,
      description: 'How urgent the ticket is; null: as it would be.',
      resolve: ({ priority }) => priority ?? null,
    }),
    tags: t.exposeStringList('tags', {
      description: 'Tags that are added, to those of other rules as well.',
    }),
    assignee: t.field({
      type: User,
      nullable: true,
      description: 'Who works on the ticket; null: as it would be.',
      resolve: ({ assignee }) => assignee?.load() ?? null,
    }),
    ignore: t.exposeBoolean('ignore', {
      description:
        'Whether the mail becomes no ticket. Only mail that would open one: a reply to a ticket, be it closed long ago, is never ignored by a rule.',
    }),
  }),
});

builder.node(MailRule, {
  name: 'MailRule',
  description:
    'What the organization wants done with mail that would open a ticket. Rules are asked in their order, until one that matches stops or ignores: of single values the last one wins, also over the group of the mailbox; tags accumulate. Replies to tickets are not asked about.',
  authScopes: { permission: 'mail-rule:read' },
  id: { resolve: ({ id }) => id },
  loadMany: loadByIds(MailRule),
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name, by which the ledger tells what it did.' }),
    enabled: t.exposeBoolean('enabled', { description: 'Whether it is asked at all.' }),
    position: t.exposeInt('position', { description: 'Its place in the order, from 1, without gaps.' }),
    match: t.expose('match', { type: MailRuleMatchEnum, description: 'How many conditions must hold.' }),
    conditions: t.field({
      type: [MailRuleConditionType],
      description: 'What it asks.',
      resolve: ({ conditions }) => conditions,
    }),
    actions: t.field({
      type: MailRuleActionsType,
      description: 'What it does.',
      resolve: (rule) => rule,
    }),
    stop: t.exposeBoolean('stop', { description: 'Whether no later rule is asked once it has matched.' }),
    problem: t.field({
      type: ProblemType,
      nullable: true,
      description:
        'Why it is passed over: it names a group that was archived, or a user who was disabled, since it was saved. Null: it works.',
      resolve: async ({ group, assignee }) =>
        mailRuleProblem((await group?.load()) ?? null, (await assignee?.load()) ?? null),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed or moved.' }),
  }),
});

builder.queryField('mailRules', (t) =>
  t.connection(
    {
      type: MailRule,
      description: 'The mail rules of the organization in their order.',
      authScopes: { permission: 'mail-rule:read' },
      resolve: (_root, args, { em }) => listMailRules(em, args),
    },
    connectionType(MailRule, 'MailRule'),
  ),
);

const MailRuleConditionInput = builder.inputType('MailRuleConditionInput', {
  description: 'One question that a mail rule asks about a mail.',
  fields: (t) => ({
    field: t.field({ type: MailRuleFieldEnum, required: true, description: 'What it looks at.' }),
    operator: t.field({
      type: MailRuleOperatorEnum,
      required: true,
      description: 'How. Texts: CONTAINS, EQUALS, STARTS_WITH, ENDS_WITH, MATCHES; the others as they say.',
    }),
    value: t.string({
      description: `What text is compared with, 1 to ${MAX_VALUE_LENGTH} characters; for the operators on texts and IN_DOMAIN.`,
    }),
    headerName: t.string({ description: 'Which header, at most 100 characters; for HEADER.' }),
    bytes: t.int({ description: 'How many bytes; for SIZE.' }),
    negated: t.boolean({
      description: 'Whether it holds where it otherwise would not; false when left out.',
    }),
  }),
});

const MailRuleActionsInput = builder.inputType('MailRuleActionsInput', {
  description: 'All that a mail rule does; what is left out it does not do.',
  fields: (t) => ({
    groupId: t.id({ description: 'The group that the ticket goes to; not an archived one.' }),
    priority: t.field({ type: TicketPriorityEnum, description: 'How urgent the ticket is.' }),
    tags: t.stringList({ description: 'At most 20 tags of at most 50 characters, which are added.' }),
    assigneeId: t.id({ description: 'Who works on the ticket; not a disabled user.' }),
    ignore: t.boolean({
      description: 'True: the mail becomes no ticket, and no later rule is asked. Replies are never ignored.',
    }),
  }),
});

/** The actions as the domain has them. Throws NotFoundError for an id that is none. */
export function decodeActions(
  actions: typeof MailRuleActionsInput.$inferInput | null | undefined,
): NewMailRule['actions'] {
  if (actions == null) return null;
  const { groupId, assigneeId, ...others } = actions;
  return {
    ...others,
    groupId: groupId == null ? null : decodeId('Group', groupId),
    assigneeId: assigneeId == null ? null : decodeId('User', assigneeId),
  };
}

const NAME = '1 to 100 characters on one line, used by no other rule.';
const CONDITIONS = `1 to ${MAX_CONDITIONS} conditions.`;

/** What a rule that is new, or only tried, is made of. */
export const mailRuleFields = (t: InputFieldBuilder<SchemaTypes, 'InputObject'>) => ({
  name: t.string({ required: true, description: NAME }),
  enabled: t.boolean({ description: 'Whether it is asked; true when left out.' }),
  match: t.field({
    type: MailRuleMatchEnum,
    description: 'How many conditions must hold; ALL when left out.',
  }),
  conditions: t.field({ type: [MailRuleConditionInput], required: true, description: CONDITIONS }),
  actions: t.field({
    type: MailRuleActionsInput,
    description: 'What it does. May be left out when it stops.',
  }),
  stop: t.boolean({
    description: 'Whether no later rule is asked once it has matched; false when left out.',
  }),
});

const RULE_ERRORS = [
  InvalidInputError,
  NotFoundError,
  GroupNotAvailableError,
  AssigneeNotAvailableError,
  MailRuleNameTakenError,
];

mutation('createMailRule', {
  description: `Makes a mail rule; an organization has at most ${MAX_MAIL_RULES}. It holds for mail that comes from now on.`,
  permission: 'mail-rule:manage',
  input: (t) => ({
    ...mailRuleFields(t),
    position: t.int({
      description: 'Its place in the order, from 1; those from there on move up. Last when left out.',
    }),
  }),
  payload: { mailRule: { type: MailRule, description: 'The new rule.' } },
  errors: [...RULE_ERRORS, TooManyMailRulesError],
  resolve: async ({ actions, ...input }, { em, actor }) => ({
    mailRule: await createMailRule(em, { ...input, actions: decodeActions(actions) }, actor),
  }),
});

mutation('updateMailRule', {
  description: 'Changes a mail rule; what is left out stays. It holds for mail that comes from now on.',
  permission: 'mail-rule:manage',
  input: (t) => ({
    mailRuleId: t.id({ required: true, description: 'Which rule.' }),
    name: t.string({ description: NAME }),
    enabled: t.boolean({ description: 'Whether it is asked.' }),
    match: t.field({ type: MailRuleMatchEnum, description: 'How many conditions must hold.' }),
    conditions: t.field({ type: [MailRuleConditionInput], description: `All of them: ${CONDITIONS}` }),
    actions: t.field({ type: MailRuleActionsInput, description: 'All that it does.' }),
    stop: t.boolean({ description: 'Whether no later rule is asked once it has matched.' }),
  }),
  payload: { mailRule: { type: MailRule, description: 'The rule as it is now.' } },
  errors: RULE_ERRORS,
  resolve: async ({ mailRuleId, actions, ...change }, { em, actor }) => ({
    mailRule: await updateMailRule(
      em,
      { ...change, id: decodeId('MailRule', mailRuleId), actions: decodeActions(actions) },
      actor,
    ),
  }),
});

mutation('moveMailRule', {
  description: 'Puts a mail rule at another place in the order; those between move up or down.',
  permission: 'mail-rule:manage',
  input: (t) => ({
    mailRuleId: t.id({ required: true, description: 'Which rule.' }),
    position: t.int({ required: true, description: 'Its place, from 1; beyond the last one is last.' }),
  }),
  payload: { mailRule: { type: MailRule, description: 'The rule at its place.' } },
  errors: [InvalidInputError, NotFoundError],
  resolve: async ({ mailRuleId, position }, { em, actor }) => ({
    mailRule: await moveMailRule(em, { id: decodeId('MailRule', mailRuleId), position }, actor),
  }),
});

mutation('deleteMailRule', {
  description: 'Deletes a mail rule; those behind it move up. Tickets stay as it made them.',
  permission: 'mail-rule:manage',
  input: (t) => ({ mailRuleId: t.id({ required: true, description: 'Which rule.' }) }),
  payload: { deletedMailRuleId: { type: 'ID', description: 'The id that it had.' } },
  errors: [NotFoundError],
  resolve: async ({ mailRuleId }, { em, actor }) => {
    const id = decodeId('MailRule', mailRuleId);
    await deleteMailRule(em, id, actor);
    return { deletedMailRuleId: encodeGlobalId('MailRule', id) };
  },
});
