import type { EntityManager } from '../platform/database.ts';
import type { Reads } from '../platform/read-batch.ts';
import { Group } from './group.entity.ts';
import { MailRule } from './mail-rule.entity.ts';
import {
  applyMailRules,
  type KeptBecause,
  type MailRuleDecision,
  type Routing,
  type RuleResult,
  type RuleTarget,
} from './mail-rule-apply.ts';
import type { MailFacts } from './mail-rule-match.ts';
import { mailRuleProblem } from './mail-rule-problem.ts';

/** A stored rule as it decides. */
export type StoredMailRule = MailRuleDecision & { id: string };

/** What decides where new mail of a mailbox goes. */
export interface MailRouting<Rule extends MailRuleDecision = StoredMailRule> {
  rules: readonly Rule[];
  /** The group of the mailbox's settings; null when there is none. */
  destination: (RuleTarget & { isArchived: boolean }) | null;
}

/** Where a mail that would open a ticket goes, unless a rule ignores it. Reads and writes nothing. */
export function routeMail<Rule extends MailRuleDecision>(
  facts: MailFacts,
  { rules, destination }: MailRouting<Rule>,
  { keptBecause }: { keptBecause: KeptBecause | null },
): RuleResult<Rule> {
  const group = destination === null || destination.isArchived ? null : destination;
  const start: Routing = { group, priority: null, tags: [], assignee: null };
  const result = applyMailRules(rules, facts, { start, keptBecause });
  if (!destination?.isArchived || result.ignoredBy !== null) return result;
  const note = `The group "${destination.name}" of this mailbox is archived and was passed over.`;
  return { ...result, explanation: [result.explanation, note].filter(Boolean).join(' ') };
}

/**
 * Loads what decides: one statement for the rules, and one for the group of the mailbox if it has one.
 */
export async function loadMailRouting(
  em: EntityManager,
  groupId: string | null | undefined,
): Promise<MailRouting> {
  const rules = await loadMailRules(em);
  const group = groupId == null ? null : await em.findOne(Group, { id: groupId });
  return {
    rules: rules.map(decisionOf),
    destination: group && { id: group.id, name: group.name, isArchived: group.archivedAt != null },
  };
}

/**
 * As {@link loadMailRouting}, for mail that waits for it: mostly there are no rules and no group, and a read that goes
 * along with others says so.
 */
export async function loadRoutingIfAny(
  em: EntityManager,
  reads: Reads,
  { organizationId, groupId }: { organizationId: string; groupId: string | null | undefined },
): Promise<MailRouting> {
  const found = await reads.execute('select 1 from mail_rule where organization_id = ? limit 1', [
    organizationId,
  ]);
  return found.length === 0 && groupId == null
    ? { rules: [], destination: null }
    : loadMailRouting(em, groupId);
}

/** The organization's rules in their order, with what they name: one statement. */
export function loadMailRules(em: EntityManager): Promise<MailRule[]> {
  return em.find(
    MailRule,
    {},
    { orderBy: { position: 'asc' }, populate: ['group', 'assignee'], strategy: 'joined', refresh: true },
  );
}

/** A rule whose group and user are loaded, as it decides. */
export function decisionOf(rule: MailRule): StoredMailRule {
  const group = rule.group?.unwrap() ?? null;
  const assignee = rule.assignee?.unwrap() ?? null;
  return {
    id: rule.id,
    name: rule.name,
    enabled: rule.enabled,
    match: rule.match,
    conditions: rule.conditions,
    group: group && { id: group.id, name: group.name },
    priority: rule.priority ?? null,
    tags: rule.tags,
    assignee: assignee && { id: assignee.id, name: assignee.name },
    ignore: rule.ignore,
    stop: rule.stop,
    isBroken: mailRuleProblem(group, assignee) !== null,
  };
}
