import { type MailFacts, MailReading, type MailRuleCondition } from './mail-rule-match.ts';
import type { TicketPriority } from './ticket.entity.ts';

/** Tags that mail rules give one ticket at most, as many as a person can give it. */
export const MAX_TAGS_OF_RULES = 50;
/** Rules that an explanation names; the ledger is read by people. */
const MAX_NAMED_RULES = 10;

/** Something that rules give tickets to, by the name that people know. */
export interface RuleTarget {
  id: string;
  name: string;
}

/** A mail rule as it decides. */
export interface MailRuleDecision {
  name: string;
  enabled: boolean;
  match: 'ALL' | 'ANY';
  conditions: readonly MailRuleCondition[];
  group: RuleTarget | null;
  priority: TicketPriority | null;
  tags: readonly string[];
  assignee: RuleTarget | null;
  /** Whether the mail becomes no ticket. */
  ignore: boolean;
  /** Whether later rules are not asked any more once this one has matched. */
  stop: boolean;
  /** Whether it names an archived group or a disabled user: then it does nothing. */
  isBroken: boolean;
}

/** Where a new ticket goes. */
export interface Routing {
  group: RuleTarget | null;
  /** Null: the usual one. */
  priority: TicketPriority | null;
  tags: readonly string[];
  assignee: RuleTarget | null;
}

export const MAIL_RULE_VERDICTS = [
  'APPLIED',
  'NOT_MATCHED',
  'NOT_REACHED',
  'DISABLED',
  'BROKEN',
  'REPLY_KEPT',
] as const;
/** What a rule did about a mail. */
export type MailRuleVerdict = (typeof MAIL_RULE_VERDICTS)[number];

/** Why no rule ignores a mail: it continues a ticket, or a person wants it in one. */
export type KeptBecause = 'A_REPLY' | 'A_PERSON_ASKED';

const WHY_KEPT: Record<KeptBecause, string> = {
  A_REPLY: 'a reply is never ignored by a rule',
  A_PERSON_ASKED: 'a person asked for it',
};

/** What one rule said about a mail. */
export interface RuleStep<Rule extends MailRuleDecision> {
  rule: Rule;
  verdict: MailRuleVerdict;
  /** Whether each condition holds, in their order; null when the rule was not asked. */
  holds: readonly boolean[] | null;
}

/** What all rules together say about a mail. */
export interface RuleResult<Rule extends MailRuleDecision> {
  /** The rule that wants no ticket for it. */
  ignoredBy: Rule | null;
  routing: Routing;
  steps: RuleStep<Rule>[];
  /** A sentence or two for people; empty when no rule matched. */
  explanation: string;
}

/**
 * Asks the rules in their order, until one that matches stops or ignores. Of single values the last rule wins, over
 * `start` as well; tags accumulate. Broken rules do nothing, and say so when they match. With `keptBecause` no rule ignores
 * the mail.
 */
export function applyMailRules<Rule extends MailRuleDecision>(
  rules: readonly Rule[],
  facts: MailFacts,
  { start, keptBecause }: { start: Routing; keptBecause: KeptBecause | null },
): RuleResult<Rule> {
  const reading = new MailReading(facts);
  const steps: RuleStep<Rule>[] = [];
  let routing = start;
  let ignoredBy: Rule | null = null;
  let isOver = false;
  for (const rule of rules) {
    if (!rule.enabled || isOver) {
      steps.push({ rule, verdict: rule.enabled ? 'NOT_REACHED' : 'DISABLED', holds: null });
      continue;
    }
    const holds = rule.conditions.map((condition) => reading.holds(condition));
    const verdict = verdictOf(rule, holds, keptBecause === null);
    steps.push({ rule, verdict, holds });
    if (verdict === 'NOT_MATCHED' || verdict === 'BROKEN') continue;
    if (verdict === 'APPLIED' && rule.ignore) ignoredBy = rule;
    else routing = routed(routing, rule);
    isOver = rule.stop || ignoredBy !== null;
  }
  return { ignoredBy, routing, steps, explanation: explain(steps, ignoredBy, keptBecause ?? 'A_REPLY') };
}

function verdictOf(rule: MailRuleDecision, holds: readonly boolean[], mayIgnore: boolean): MailRuleVerdict {
  const matched = rule.match === 'ALL' ? !holds.includes(false) : holds.includes(true);
  // A rule without conditions cannot be saved; should one exist, it must not route everything.
  if (!matched || holds.length === 0) return 'NOT_MATCHED';
  if (rule.isBroken) return 'BROKEN';
  return rule.ignore && !mayIgnore ? 'REPLY_KEPT' : 'APPLIED';
}

function routed(before: Routing, { group, priority, tags, assignee }: MailRuleDecision): Routing {
  return {
    group: group ?? before.group,
    priority: priority ?? before.priority,
    tags: [...new Set([...before.tags, ...tags])].slice(0, MAX_TAGS_OF_RULES),
    assignee: assignee ?? before.assignee,
  };
}

function explain<Rule extends MailRuleDecision>(
  steps: readonly RuleStep<Rule>[],
  ignoredBy: Rule | null,
  keptBecause: KeptBecause,
): string {
  const named = (verdict: MailRuleVerdict) =>
    steps.filter((step) => step.verdict === verdict).map(({ rule }) => rule.name);
  const [applied, broken, kept] = [named('APPLIED'), named('BROKEN'), named('REPLY_KEPT')];
  const sentences = [
    ignoredBy !== null && `Ignored by the mail rule "${ignoredBy.name}".`,
    ignoredBy === null && applied.length > 0 && `By the mail ${rules(applied)}.`,
    kept.length > 0 && `The mail ${rules(kept)} would ignore it, but ${WHY_KEPT[keptBecause]}.`,
    broken.length > 0 &&
      `Passed over: the mail ${rules(broken)}, because of an archived group or a disabled user.`,
  ];
  return sentences.filter(Boolean).join(' ');
}

function rules(names: readonly string[]): string {
  const shown = names
    .slice(0, MAX_NAMED_RULES)
    .map((name) => `"${name}"`)
    .join(', ');
  const more = names.length - MAX_NAMED_RULES;
  return `${names.length === 1 ? 'rule' : 'rules'} ${shown}${more > 0 ? ` and ${more} more` : ''}`;
}
