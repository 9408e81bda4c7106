import { User } from '../access/user.entity.ts';
import { builder, enumType } from '../graphql/builder.ts';
import { decodeId } from '../graphql/global-id.ts';
import { Group } from './group.entity.ts';
import { InboundOutcomeEnum, InboundReasonEnum } from './inbound-messages.graphql.ts';
import { MailRule } from './mail-rule.entity.ts';
import type { Routing, RuleStep } from './mail-rule-apply.ts';
import type { MailRuleCondition } from './mail-rule-match.ts';
import {
  type MailRuleTestResult,
  type MailRuleTrial,
  type TriedRule,
  testMailRules,
} from './mail-rule-trial.ts';
import { decodeActions, MailRuleConditionType, mailRuleFields } from './mail-rules.graphql.ts';
import { TicketPriorityEnum } from './tickets.graphql.ts';

const MailRuleVerdictEnum = enumType('MailRuleVerdict', 'What a mail rule would do about a mail.', {
  APPLIED: 'It matches, and acts.',
  NOT_MATCHED: 'It does not match.',
  NOT_REACHED: 'An earlier rule stopped or ignored.',
  DISABLED: 'It is switched off.',
  BROKEN: 'It matches, but names an archived group or a disabled user: it is passed over.',
  REPLY_KEPT: 'It matches and would ignore, but this is a reply to a ticket: it does all else.',
});

/** A condition and what it found. */
interface TriedCondition {
  condition: MailRuleCondition;
  holds: boolean;
}

const TriedConditionType = builder.objectRef<TriedCondition>('MailRuleTestCondition').implement({
  description: 'A condition, and whether it holds for the mail.',
  authScopes: { permission: 'mail-rule:read' },
  fields: (t) => ({
    condition: t.expose('condition', { type: MailRuleConditionType, description: 'The condition.' }),
    holds: t.exposeBoolean('holds', { description: 'Whether it holds.' }),
  }),
});

const StepType = builder.objectRef<RuleStep<TriedRule>>('MailRuleTestStep').implement({
  description: 'What one rule says about the mail.',
  authScopes: { permission: 'mail-rule:read' },
  fields: (t) => ({
    name: t.string({ description: 'The name of the rule.', resolve: ({ rule }) => rule.name }),
    mailRule: t.field({
      type: MailRule,
      nullable: true,
      description: 'The rule; null for the draft.',
      resolve: ({ rule: { id } }, _args, { em }) =>
        id === null ? null : em.getReference(MailRule, id, { wrapped: true }).load(),
    }),
    verdict: t.expose('verdict', { type: MailRuleVerdictEnum, description: 'What it would do.' }),
    conditions: t.field({
      type: [TriedConditionType],
      description: 'Its conditions in their order, with what each says; empty when it was not asked.',
      resolve: ({ rule, holds }) =>
        rule.conditions.flatMap((condition, index) => {
          const one = holds?.[index];
          return one === undefined ? [] : [{ condition, holds: one }];
        }),
    }),
  }),
});

const RoutingType = builder.objectRef<Routing>('MailRouting').implement({
  description: 'Where a new ticket would go.',
  authScopes: { permission: 'mail-rule:read' },
  fields: (t) => ({
    group: t.field({
      type: Group,
      nullable: true,
      description: 'The group; null: none.',
      resolve: ({ group }, _args, { em }) =>
        group === null ? null : em.getReference(Group, group.id, { wrapped: true }).load(),
    }),
    priority: t.field({
      type: TicketPriorityEnum,
      description: 'How urgent.',
      resolve: ({ priority }) => priority ?? 'NORMAL',
    }),
    tags: t.stringList({ description: 'Its tags.', resolve: ({ tags }) => [...tags] }),
    assignee: t.field({
      type: User,
      nullable: true,
      description: 'Who would work on it; null: nobody.',
      resolve: ({ assignee }, _args, { em }) =>
        assignee === null ? null : em.getReference(User, assignee.id, { wrapped: true }).load(),
    }),
  }),
});

const MailRuleTestType = builder.objectRef<MailRuleTestResult>('MailRuleTest').implement({
  description: 'What the mail rules would do with a mail that opens a ticket.',
  authScopes: { permission: 'mail-rule:read' },
  fields: (t) => ({
    outcome: t.field({
      type: InboundOutcomeEnum,
      description:
        'What the rules alone make of it: TICKET_CREATED, or IGNORED when a rule ignores it. What became of a message of the ledger is `actualOutcome`.',
      resolve: ({ ignoredBy }) => (ignoredBy === null ? 'TICKET_CREATED' : 'IGNORED'),
    }),
    actualOutcome: t.field({
      type: InboundOutcomeEnum,
      nullable: true,
      description:
        'What became of the message of the ledger. Copies, mail of machines, replies, and mail to a mailbox that opens no tickets are decided about before any rule is asked. Null for a sample.',
      resolve: ({ actual }) => actual?.outcome ?? null,
    }),
    actualReason: t.field({
      type: InboundReasonEnum,
      nullable: true,
      description: 'Why that became of it; `MAIL_RULE`: a rule. Null for a sample.',
      resolve: ({ actual }) => actual?.reason ?? null,
    }),
    routing: t.field({
      type: RoutingType,
      nullable: true,
      description: 'Where the ticket would go; null when there would be none.',
      resolve: ({ ignoredBy, routing }) => (ignoredBy === null ? routing : null),
    }),
    explanation: t.exposeString('explanation', {
      description: 'What the ledger would say of the rules; empty when none matched.',
    }),
    wasReply: t.exposeBoolean('wasReply', {
      description:
        'Whether the message joined a ticket as a reply. Rules are not asked about replies; here they were, as if it were none.',
    }),
    steps: t.field({
      type: [StepType],
      description: 'Every rule in its order, the draft among them.',
      resolve: ({ steps }) => steps,
    }),
  }),
});

const HeaderInput = builder.inputType('MailHeaderInput', {
  description: 'An internet header.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Its name; at most 100 characters.' }),
    value: t.string({ required: true, description: 'Its value; at most 10,000 characters.' }),
  }),
});

const SampleInput = builder.inputType('MailSampleInput', {
  description: 'A mail that is made up; what is left out is empty.',
  fields: (t) => ({
    mailboxId: t.id({ description: 'The mailbox that it comes to, whose group counts.' }),
    sender: t.string({ description: 'The address of who wrote it; at most 320 characters.' }),
    recipients: t.stringList({ description: 'The addresses in To and Cc; at most 500.' }),
    subject: t.string({ description: 'Its subject; at most 1,000 characters.' }),
    headers: t.field({ type: [HeaderInput], description: 'Its internet headers; at most 200.' }),
    text: t.string({ description: 'Its text; at most 100,000 characters.' }),
    sizeBytes: t.int({ description: 'The bytes of headers and body; those of the text when left out.' }),
    hasAttachments: t.boolean({ description: 'Whether files are attached; false when left out.' }),
  }),
});

const DraftInput = builder.inputType('MailRuleDraftInput', {
  description: 'A mail rule that is tried and not saved.',
  fields: (t) => ({
    replacesMailRuleId: t.id({
      description: 'The saved rule in whose place it is tried. None when left out.',
    }),
    ...mailRuleFields(t),
    position: t.int({
      description:
        'Its place in the order, from 1. Left out: that of the rule that it replaces, or the last.',
    }),
  }),
});

const TestInput = builder.inputType('TestMailRuleInput', {
  description: 'The input of "testMailRule": one mail, and a draft if one is to be tried.',
  fields: (t) => ({
    inboundMessageId: t.id({
      description: 'A message of the ledger; it is read from its mailbox again. Or give `sample`.',
    }),
    sample: t.field({
      type: SampleInput,
      description: 'A mail that is made up. Or give `inboundMessageId`.',
    }),
    draft: t.field({ type: DraftInput, description: 'A rule to try among the saved ones.' }),
  }),
});

builder.queryField('testMailRule', (t) =>
  t.field({
    type: MailRuleTestType,
    description:
      'What the mail rules, and a draft among them, would do with a mail if it opened a ticket. Nothing is written.',
    authScopes: { permission: 'mail-rule:read' },
    complexity: 50,
    args: { input: t.arg({ type: TestInput, required: true, description: 'Which mail, and which draft.' }) },
    resolve: (_root, { input }, { em, services, signal }) =>
      testMailRules(em, trialOf(input), { mail: services.mail, signal }),
  }),
);

function trialOf({ inboundMessageId, sample, draft }: typeof TestInput.$inferInput): MailRuleTrial {
  const mailboxId = sample?.mailboxId == null ? null : decodeId('Mailbox', sample.mailboxId);
  return {
    inboundMessageId: inboundMessageId == null ? null : decodeId('InboundMessage', inboundMessageId),
    sample: sample == null ? null : { ...sample, mailboxId },
    draft: draft == null ? null : draftOf(draft),
  };
}

function draftOf({
  replacesMailRuleId,
  actions,
  ...rule
}: typeof DraftInput.$inferInput): NonNullable<MailRuleTrial['draft']> {
  const replacesId = replacesMailRuleId == null ? null : decodeId('MailRule', replacesMailRuleId);
  return { ...rule, replacesId, actions: decodeActions(actions) };
}
