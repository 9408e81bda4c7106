import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { forkFor } from '../../src/platform/database.ts';
import { signIn } from '../access/harness.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';
import { archiveGroup, makeGroup, makeRule, mutateRule, rulesOf } from './mail-rule-desk.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app?.[Symbol.asyncDispose]());

const names = async (desk: Desk) => (await rulesOf(desk)).map(({ name }) => name);
const positions = async (desk: Desk) => (await rulesOf(desk)).map(({ position }) => position);

describe('mail rules', () => {
  test('are made as they are given, changed in part, and deleted', async () => {
    const desk = await app.newDesk();
    const groupId = await makeGroup(desk, 'Billing');
    const { user } = await signIn(app.database, desk.organizationId, 'AGENT');
    const assigneeId = encodeGlobalId('User', user.id);
    const rule = await makeRule(desk, 'Invoices', {
      match: 'ANY',
      stop: true,
      conditions: [
        { field: 'HEADER', operator: 'PRESENT', headerName: 'X-Invoice' },
        { field: 'SIZE', operator: 'OVER', bytes: 100, negated: true },
      ],
      actions: { groupId, assigneeId, priority: 'HIGH', tags: [' money ', 'money'] },
    });
    expect(rule).toMatchObject({
      name: 'Invoices',
      position: 1,
      enabled: true,
      match: 'ANY',
      stop: true,
      conditions: [
        {
          field: 'HEADER',
          operator: 'PRESENT',
          value: null,
          headerName: 'X-Invoice',
          bytes: null,
          negated: false,
        },
        { field: 'SIZE', operator: 'OVER', value: null, headerName: null, bytes: 100, negated: true },
      ],
      actions: {
        group: { name: 'Billing' },
        priority: 'HIGH',
        tags: ['money'],
        assignee: { id: assigneeId },
        ignore: false,
      },
      problem: null,
    });
    const mailRuleId = rule.id;
    const changed = await mutateRule(desk, 'updateMailRule', { mailRuleId, name: 'Bills', enabled: false });
    expect(changed.mailRule).toEqual({ ...rule, name: 'Bills', enabled: false });
    const emptied = await mutateRule(desk, 'updateMailRule', { mailRuleId, actions: { ignore: true } });
    expect(emptied.mailRule.actions).toEqual({
      group: null,
      priority: null,
      tags: [],
      assignee: null,
      ignore: true,
    });
    expect(await mutateRule(desk, 'deleteMailRule', { mailRuleId })).toMatchObject({
      deletedMailRuleId: mailRuleId,
    });
    expect(await rulesOf(desk)).toEqual([]);
    expect(await mutateRule(desk, 'deleteMailRule', { mailRuleId })).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('keep an order without gaps, whatever is put in, moved and taken out', async () => {
    const desk = await app.newDesk();
    const a = await makeRule(desk, 'a');
    await makeRule(desk, 'b');
    const c = await makeRule(desk, 'c', { position: 1 });
    expect(await names(desk)).toEqual(['c', 'a', 'b']);
    const move = (mailRuleId: string, position: number) =>
      mutateRule(desk, 'moveMailRule', { mailRuleId, position });
    expect((await move(c.id, 2)).mailRule.position).toBe(2);
    expect(await names(desk)).toEqual(['a', 'c', 'b']);
    expect((await move(a.id, 999)).mailRule.position).toBe(3);
    expect(await names(desk)).toEqual(['c', 'b', 'a']);
    expect((await move(a.id, 3)).mailRule.position).toBe(3);
    expect(await move(a.id, 0)).toMatchObject({ code: 'INVALID_INPUT' });
    await mutateRule(desk, 'deleteMailRule', { mailRuleId: c.id });
    expect(await names(desk)).toEqual(['b', 'a']);
    expect(await positions(desk)).toEqual([1, 2]);
  });

  test('keep it when many change it at once', async () => {
    const desk = await app.newDesk();
    const made = await Promise.all([...'abcdefgh'].map((name) => makeRule(desk, name, { position: 1 })));
    await Promise.all(
      made.map(({ id: mailRuleId }, index) =>
        index % 2
          ? mutateRule(desk, 'moveMailRule', { mailRuleId, position: index })
          : mutateRule(desk, index % 4 ? 'deleteMailRule' : 'moveMailRule', {
              mailRuleId,
              ...(index % 4 ? {} : { position: 1 }),
            }),
      ),
    );
    expect(await positions(desk)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('have names of their own, whatever the case', async () => {
    const desk = await app.newDesk();
    await makeRule(desk, 'Invoices');
    const other = await makeRule(desk, 'Other');
    const input = {
      name: 'INVOICES',
      conditions: [{ field: 'HAS_ATTACHMENT', operator: 'PRESENT' }],
      stop: true,
    };
    expect(await mutateRule(desk, 'createMailRule', input)).toMatchObject({ code: 'MAIL_RULE_NAME_TAKEN' });
    expect(
      await mutateRule(desk, 'updateMailRule', { mailRuleId: other.id, name: 'invoices' }),
    ).toMatchObject({
      code: 'MAIL_RULE_NAME_TAKEN',
    });
    expect(await names(desk)).toEqual(['Invoices', 'Other']);
  });

  test('are a hundred at most', async () => {
    const desk = await app.newDesk();
    await forkFor(app.database, desk.organizationId).execute(
      `insert into mail_rule (id, organization_id, name, position, enabled, match, conditions, stop, created_at, updated_at)
       select gen_random_uuid(), ?, 'rule ' || n, n, true, 'ALL', '[]', true, now(), now() from generate_series(1, 99) n`,
      [desk.organizationId],
    );
    expect((await makeRule(desk, 'the last')).position).toBe(100);
    const input = {
      name: 'one more',
      conditions: [{ field: 'HAS_ATTACHMENT', operator: 'PRESENT' }],
      stop: true,
    };
    expect(await mutateRule(desk, 'createMailRule', input)).toMatchObject({ code: 'TOO_MANY_MAIL_RULES' });
  });

  test.each<[string, Record<string, unknown>]>([
    ['no conditions', { conditions: [] }],
    ['too many conditions', { conditions: Array(21).fill({ field: 'HAS_ATTACHMENT', operator: 'PRESENT' }) }],
    [
      'an operator that the field does not know',
      { conditions: [{ field: 'SUBJECT', operator: 'OVER', bytes: 1 }] },
    ],
    [
      'a domain in a subject',
      { conditions: [{ field: 'SUBJECT', operator: 'IN_DOMAIN', value: 'a.example' }] },
    ],
    ['a text without value', { conditions: [{ field: 'SUBJECT', operator: 'CONTAINS' }] }],
    ['an empty value', { conditions: [{ field: 'SUBJECT', operator: 'CONTAINS', value: ' ' }] }],
    ['a long value', { conditions: [{ field: 'SUBJECT', operator: 'CONTAINS', value: 'x'.repeat(201) }] }],
    [
      'a value where none counts',
      { conditions: [{ field: 'HAS_ATTACHMENT', operator: 'PRESENT', value: 'x' }] },
    ],
    ['a header without a name', { conditions: [{ field: 'HEADER', operator: 'PRESENT' }] }],
    ['the name of no header', { conditions: [{ field: 'HEADER', operator: 'PRESENT', headerName: 'a b' }] }],
    ['a header name elsewhere', { conditions: [{ field: 'SENDER', operator: 'PRESENT', headerName: 'a' }] }],
    ['a size without bytes', { conditions: [{ field: 'SIZE', operator: 'OVER' }] }],
    ['a negative size', { conditions: [{ field: 'SIZE', operator: 'OVER', bytes: -1 }] }],
    ['what is no domain', { conditions: [{ field: 'SENDER', operator: 'IN_DOMAIN', value: 'a b' }] }],
    ['nothing to do', { actions: {} }],
    ['too many tags', { actions: { tags: Array.from({ length: 21 }, (_, n) => `t${n}`) } }],
    ['an empty name', { name: ' ' }],
    ['a position before the first', { position: 0 }],
  ])('are refused with %s', async (_fault, input) => {
    const desk = await app.newDesk();
    const valid = {
      name: 'Rule',
      conditions: [{ field: 'SUBJECT', operator: 'CONTAINS', value: 'word' }],
      actions: { tags: ['a'] },
    };
    expect(await mutateRule(desk, 'createMailRule', { ...valid, ...input })).toMatchObject({
      code: 'INVALID_INPUT',
    });
    expect(await rulesOf(desk)).toEqual([]);
    const { id: mailRuleId } = await makeRule(desk, 'Valid');
    const { position, ...change } = input as { position?: number };
    if (position === undefined) {
      expect(await mutateRule(desk, 'updateMailRule', { mailRuleId, ...change })).toMatchObject({
        code: 'INVALID_INPUT',
      });
    }
    expect(await names(desk)).toEqual(['Valid']);
  });

  test('name no archived group and no disabled user; when that comes later, they say so, and can still be switched off', async () => {
    const desk = await app.newDesk();
    const groupId = await makeGroup(desk, 'Billing');
    const { user } = await signIn(app.database, desk.organizationId, 'AGENT');
    const assigneeId = encodeGlobalId('User', user.id);
    const toGroup = await makeRule(desk, 'To the group', { actions: { groupId } });
    const toUser = await makeRule(desk, 'To the user', { actions: { assigneeId } });
    await archiveGroup(desk, groupId);
    await desk.request(
      'mutation ($id: ID!) { updateUser(input: { userId: $id, disabled: true }) { __typename } }',
      { id: assigneeId },
    );
    const [one, two] = await rulesOf(desk);
    expect(one?.problem).toMatchObject({ code: 'GROUP_NOT_AVAILABLE' });
    expect(two?.problem).toMatchObject({ code: 'ASSIGNEE_NOT_AVAILABLE' });
    const input = { name: 'New', conditions: [{ field: 'HAS_ATTACHMENT', operator: 'PRESENT' }] };
    for (const [actions, code] of [
      [{ groupId }, 'GROUP_NOT_AVAILABLE'],
      [{ assigneeId }, 'ASSIGNEE_NOT_AVAILABLE'],
    ] as const) {
      expect(await mutateRule(desk, 'createMailRule', { ...input, actions })).toMatchObject({ code });
      expect(await mutateRule(desk, 'updateMailRule', { mailRuleId: toUser.id, actions })).toMatchObject({
        code,
      });
    }
    const off = await mutateRule(desk, 'updateMailRule', { mailRuleId: toGroup.id, enabled: false });
    expect(off.mailRule).toMatchObject({ enabled: false, actions: { group: { name: 'Billing' } } });
    await archiveGroup(desk, groupId, false);
    expect((await rulesOf(desk))[0]?.problem).toBeNull();
  });

  test('keep the group that they name from being deleted', async () => {
    const desk = await app.newDesk();
    const groupId = await makeGroup(desk, 'Billing');
    const { id: mailRuleId } = await makeRule(desk, 'Rule', { actions: { groupId } });
    const remove = () =>
      desk.request('mutation ($id: ID!) { deleteGroup(input: { groupId: $id }) { __typename } }', {
        id: groupId,
      });
    expect(await remove()).toEqual({ deleteGroup: { __typename: 'GroupInUseError' } });
    await mutateRule(desk, 'deleteMailRule', { mailRuleId });
    expect(await remove()).toEqual({ deleteGroup: { __typename: 'DeleteGroupPayload' } });
  });

  test('are read and changed by administrators only, and by nobody of another organization', async () => {
    const desk = await app.newDesk();
    const { id } = await makeRule(desk, 'Ours');
    const { secret } = await signIn(app.database, desk.organizationId, 'AGENT');
    const agent = {
      request: <Data>(query: string, variables?: Record<string, unknown>) =>
        graphqlRequest<Data>(app.url, secret, query, variables),
    };
    await expect(rulesOf(agent)).rejects.toThrow(/permission/);
    await expect(makeRule(agent, 'Mine')).rejects.toThrow(/permission/);
    await expect(mutateRule(agent, 'updateMailRule', { mailRuleId: id, name: 'Mine' })).rejects.toThrow(
      /permission/,
    );
    await expect(mutateRule(agent, 'moveMailRule', { mailRuleId: id, position: 1 })).rejects.toThrow(
      /permission/,
    );
    await expect(mutateRule(agent, 'deleteMailRule', { mailRuleId: id })).rejects.toThrow(/permission/);
    const stranger = await app.newDesk('Stranger');
    const gone = { code: 'NOT_FOUND' };
    expect(await mutateRule(stranger, 'updateMailRule', { mailRuleId: id, name: 'Mine' })).toMatchObject(
      gone,
    );
    expect(await mutateRule(stranger, 'moveMailRule', { mailRuleId: id, position: 1 })).toMatchObject(gone);
    expect(await mutateRule(stranger, 'deleteMailRule', { mailRuleId: id })).toMatchObject(gone);
    expect(await rulesOf(stranger)).toEqual([]);
    const groupId = await makeGroup(desk, 'Ours');
    const theirs = await mutateRule(stranger, 'createMailRule', {
      name: 'Theirs',
      conditions: [{ field: 'HAS_ATTACHMENT', operator: 'PRESENT' }],
      actions: { groupId },
    });
    expect(theirs).toMatchObject({ code: 'GROUP_NOT_AVAILABLE' });
    expect(await names(desk)).toEqual(['Ours']);
  });
});
