import { UniqueConstraintViolationException } from '@mikro-orm/core';
import { Organization } from '../access/organization.entity.ts';
import { User } from '../access/user.entity.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { findPage, type Page, type PageArguments } from '../platform/keyset.ts';
import { parseInput } from '../platform/parse-input.ts';
import type { Group } from './group.entity.ts';
import { findUsableGroup } from './groups.ts';
import { MailRule } from './mail-rule.entity.ts';
import { MailRuleNameTakenError, TooManyMailRulesError } from './mail-rule-errors.ts';
import {
  doesSomething,
  type MailRuleActions,
  type MailRuleChange,
  type MailRuleMove,
  mailRuleChange,
  mailRuleMove,
  type NewMailRule,
  newMailRule,
} from './mail-rule-input.ts';
import { lockTicketNumbers } from './ticket-number.ts';
import { AssigneeNotAvailableError } from './ticketing-errors.ts';

/** The most mail rules of one organization: all of them are asked about every mail that would open a ticket. */
export const MAX_MAIL_RULES = 100;

/** Who changes rules. */
export interface MailRuleActor {
  organizationId: string;
}

/** The organization's mail rules in their order. Throws as `findPage` does. */
export function listMailRules(em: EntityManager, args: PageArguments): Promise<Page<MailRule>> {
  return findPage(em, MailRule, {}, { key: 'position', direction: 'asc' }, args);
}

/**
 * Makes a rule, at the end unless told otherwise. Throws InvalidInputError, GroupNotAvailableError,
 * AssigneeNotAvailableError, {@link MailRuleNameTakenError} and {@link TooManyMailRulesError}.
 */
export async function createMailRule(
  em: EntityManager,
  input: NewMailRule,
  { organizationId }: MailRuleActor,
): Promise<MailRule> {
  const given = parseInput(newMailRule, input);
  return inOrder(em, organizationId, async (inside, rules) => {
    if (rules.length >= MAX_MAIL_RULES) throw new TooManyMailRulesError(MAX_MAIL_RULES);
    const rule = inside.create(MailRule, {
      organization: inside.getReference(Organization, organizationId),
      name: given.name,
      position: rules.length + 1,
      enabled: given.enabled ?? true,
      match: given.match ?? 'ALL',
      conditions: given.conditions,
      stop: given.stop ?? false,
      ...(await actionsOf(inside, given.actions ?? {})),
    });
    rules.splice((given.position ?? rules.length + 1) - 1, 0, rule);
    return rule;
  });
}

/**
 * Changes a rule; conditions and actions are replaced whole. Throws InvalidInputError, NotFoundError,
 * GroupNotAvailableError, AssigneeNotAvailableError and {@link MailRuleNameTakenError}.
 */
export async function updateMailRule(
  em: EntityManager,
  input: MailRuleChange,
  { organizationId }: MailRuleActor,
): Promise<MailRule> {
  const given = parseInput(mailRuleChange, input);
  return inOrder(em, organizationId, async (inside, rules) => {
    const rule = ruleOf(rules, given.id);
    inside.assign(rule, {
      name: given.name ?? rule.name,
      enabled: given.enabled ?? rule.enabled,
      match: given.match ?? rule.match,
      conditions: given.conditions ?? rule.conditions,
      stop: given.stop ?? rule.stop,
      ...(given.actions == null ? {} : await actionsOf(inside, given.actions)),
    });
    if (!doesSomething({ actions: storedActions(rule), stop: rule.stop })) {
      throw new InvalidInputError(
        'actions',
        'The rule would do nothing.',
        'Give an action, or "stop"; to switch the rule off, set "enabled" to false.',
      );
    }
    return rule;
  });
}

/** Puts a rule at a position; those between move up. Throws InvalidInputError and NotFoundError. */
export async function moveMailRule(
  em: EntityManager,
  input: MailRuleMove,
  { organizationId }: MailRuleActor,
): Promise<MailRule> {
  const given = parseInput(mailRuleMove, input);
  return inOrder(em, organizationId, async (_inside, rules) => {
    const rule = ruleOf(rules, given.id);
    rules.splice(rules.indexOf(rule), 1);
    rules.splice(given.position - 1, 0, rule);
    return rule;
  });
}

/** Deletes a rule; those behind it move up. Throws NotFoundError. */
export async function deleteMailRule(
  em: EntityManager,
  id: string,
  { organizationId }: MailRuleActor,
): Promise<void> {
  await inOrder(em, organizationId, async (inside, rules) => {
    const rule = ruleOf(rules, id);
    rules.splice(rules.indexOf(rule), 1);
    inside.remove(rule);
    return rule;
  });
}

/**
 * Does something with the rules in their order, one caller at a time in the organization, and numbers them anew. Mail is
 * taken in under the same lock: a page sees the rules before the change or after it.
 */
async function inOrder(
  em: EntityManager,
  organizationId: string,
  work: (inside: EntityManager, rules: MailRule[]) => Promise<MailRule>,
): Promise<MailRule> {
  try {
    return await em.transactional(async (inside) => {
      await lockTicketNumbers(inside, organizationId);
      const rules = await inside.find(MailRule, {}, { orderBy: { position: 'asc' }, refresh: true });
      const rule = await work(inside, rules);
      for (const [index, one] of rules.entries()) one.position = index + 1;
      await inside.flush();
      return rule;
    });
  } catch (thrown) {
    if (thrown instanceof UniqueConstraintViolationException) throw new MailRuleNameTakenError();
    throw thrown;
  }
}

function ruleOf(rules: readonly MailRule[], id: string): MailRule {
  const rule = rules.find((one) => one.id === id);
  if (rule === undefined) throw new NotFoundError('The mail rule');
  return rule;
}

/** The columns of the actions; the group and the user must be usable. */
async function actionsOf(
  em: EntityManager,
  { groupId, priority, tags, assigneeId, ignore }: MailRuleActions,
): Promise<Pick<MailRule, 'tags' | 'ignore'> & Targets & { priority: MailRule['priority'] }> {
  return {
    ...(await findTargets(em, { groupId, assigneeId })),
    priority: priority ?? null,
    tags: tags ?? [],
    ignore: ignore ?? false,
  };
}

/** What a rule names. */
interface Targets {
  group: Group | null;
  assignee: User | null;
}

/** The group and the user that actions name. Throws GroupNotAvailableError and AssigneeNotAvailableError. */
export async function findTargets(
  em: EntityManager,
  { groupId, assigneeId }: Pick<MailRuleActions, 'groupId' | 'assigneeId'>,
): Promise<Targets> {
  const group = await findUsableGroup(em, groupId ?? null);
  const assignee = assigneeId == null ? null : await em.findOne(User, { id: assigneeId, disabledAt: null });
  if (assigneeId != null && assignee === null) throw new AssigneeNotAvailableError();
  return { group, assignee };
}

function storedActions(rule: MailRule): MailRuleActions {
  const { group, assignee, priority, tags, ignore } = rule;
  return {
    groupId: group?.id ?? null,
    assigneeId: assignee?.id ?? null,
    priority: priority ?? null,
    tags,
    ignore,
  };
}
