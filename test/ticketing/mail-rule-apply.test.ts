import { describe, expect, test } from 'vitest';
import { applyMailRules, type MailRuleDecision, type Routing } from '../../src/ticketing/mail-rule-apply.ts';
import type { MailFacts, MailRuleCondition } from '../../src/ticketing/mail-rule-match.ts';

const FACTS: MailFacts = {
  senderAddress: 'carla@fabrikam.example',
  recipientAddresses: [],
  subject: 'Invoice',
  headers: [],
  text: '',
  sizeBytes: 1,
  hasAttachments: false,
};
const about = (value: string): MailRuleCondition => ({
  field: 'SUBJECT',
  operator: 'CONTAINS',
  value,
  headerName: null,
  bytes: null,
  negated: false,
});
const YES = about('invoice');
const NO = about('nothing of the kind');
const rule = (name: string, parts: Partial<MailRuleDecision> = {}): MailRuleDecision => ({
  name,
  enabled: true,
  match: 'ALL',
  conditions: [YES],
  group: null,
  priority: null,
  tags: [],
  assignee: null,
  ignore: false,
  stop: false,
  isBroken: false,
  ...parts,
});
const target = (id: string) => ({ id, name: id });
const START: Routing = { group: target('of the mailbox'), priority: null, tags: [], assignee: null };
const apply = (rules: MailRuleDecision[], mayIgnore = true) =>
  applyMailRules(rules, FACTS, { start: START, keptBecause: mayIgnore ? null : 'A_REPLY' });
const verdicts = (rules: MailRuleDecision[]) => apply(rules).steps.map(({ verdict }) => verdict);

describe('rules', () => {
  test('that do not match leave things as the mailbox has them', () => {
    const result = apply([rule('one', { conditions: [NO], group: target('billing') })]);
    expect(result).toMatchObject({ ignoredBy: null, routing: START, explanation: '' });
  });

  test('override single values in their order, and gather tags', () => {
    const result = apply([
      rule('one', { group: target('a'), priority: 'HIGH', tags: ['x', 'y'], assignee: target('anna') }),
      rule('two', { group: target('b'), tags: ['y', 'z'] }),
      rule('three', { priority: 'LOW' }),
    ]);
    expect(result.routing).toEqual({
      group: target('b'),
      priority: 'LOW',
      tags: ['x', 'y', 'z'],
      assignee: target('anna'),
    });
    expect(result.explanation).toBe('By the mail rules "one", "two", "three".');
  });

  test('give no more tags than a ticket may have', () => {
    const many = [0, 1, 2].map((n) =>
      rule(`r${n}`, { tags: Array.from({ length: 20 }, (_, i) => `t${n * 20 + i}`) }),
    );
    expect(apply(many).routing.tags).toHaveLength(50);
  });

  test('need all conditions, or any, as they say, and at least one', () => {
    expect(
      verdicts([
        rule('all', { conditions: [YES, NO] }),
        rule('any', { match: 'ANY', conditions: [NO, YES] }),
        rule('none of any', { match: 'ANY', conditions: [NO, NO] }),
        rule('without', { conditions: [] }),
      ]),
    ).toEqual(['NOT_MATCHED', 'APPLIED', 'NOT_MATCHED', 'NOT_MATCHED']);
  });

  test('end with the one that stops, if it matches', () => {
    const behind = rule('behind', { tags: ['behind'] });
    expect(verdicts([rule('stop', { conditions: [NO], stop: true }), behind])).toEqual([
      'NOT_MATCHED',
      'APPLIED',
    ]);
    const result = apply([rule('stop', { stop: true, tags: ['a'] }), behind]);
    expect(result.steps.map(({ verdict }) => verdict)).toEqual(['APPLIED', 'NOT_REACHED']);
    expect(result.steps[1]?.holds).toBeNull();
    expect(result.routing.tags).toEqual(['a']);
  });

  test('end with the one that ignores; a reply is kept, and all else is done', () => {
    const rules = [rule('spam', { ignore: true, tags: ['spam'] }), rule('behind', { tags: ['behind'] })];
    const ignored = apply(rules);
    expect(ignored.ignoredBy?.name).toBe('spam');
    expect(ignored.explanation).toBe('Ignored by the mail rule "spam".');
    expect(ignored.steps.map(({ verdict }) => verdict)).toEqual(['APPLIED', 'NOT_REACHED']);
    const kept = apply(rules, false);
    expect(kept.ignoredBy).toBeNull();
    expect(kept.routing.tags).toEqual(['spam', 'behind']);
    expect(kept.explanation).toContain('"spam" would ignore it, but a reply is never ignored');
  });

  test('that are broken or switched off do nothing: they neither ignore nor stop', () => {
    const result = apply([
      rule('broken', { isBroken: true, ignore: true, stop: true }),
      rule('off', { enabled: false, ignore: true }),
      rule('behind', { tags: ['behind'] }),
    ]);
    expect(result.steps.map(({ verdict }) => verdict)).toEqual(['BROKEN', 'DISABLED', 'APPLIED']);
    expect(result.routing.tags).toEqual(['behind']);
    expect(result.explanation).toContain('Passed over: the mail rule "broken"');
  });

  test('are named in the explanation, ten of them at most', () => {
    const { explanation } = apply(Array.from({ length: 100 }, (_, n) => rule(`r${n}`, { tags: ['a'] })));
    expect(explanation).toContain('"r9" and 90 more.');
    expect(explanation).not.toContain('"r10"');
  });
});
