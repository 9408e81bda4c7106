import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeGlobalId } from '../../src/graphql/global-id.ts';
import { signIn } from '../access/harness.ts';
import { control, type Desk, startTestApp, type TestApp } from '../support/app.ts';
import { archiveGroup, makeGroup, makeRule, mutateRule } from './mail-rule-desk.ts';

let app: TestApp;
let desk: Desk;
let mailboxId: string;
let address: string;
beforeAll(async () => {
  app = await startTestApp();
  desk = await app.newDesk();
  ({ mailboxId, address } = await desk.connectMailbox());
  await desk.enable(mailboxId);
});
afterAll(() => app?.[Symbol.asyncDispose]());

interface Row {
  id: string;
  subject: string;
  outcome: string;
  reason: string;
  explanation: string;
  ticket: {
    id: string;
    number: number;
    priority: string;
    tags: string[];
    group: { name: string } | null;
    assignee: { id: string } | null;
  } | null;
}
let counter = 0;

/** Takes mails in, in one page, and gives their ledger rows in the same order. */
async function receive(...mails: Record<string, unknown>[]): Promise<Row[]> {
  const ready = mails.map((mail) => {
    counter += 1;
    return {
      to: address,
      from: 'carla@fabrikam.example',
      text: 'Hello',
      messageId: `<rule-${counter}@fabrikam.example>`,
      subject: `Mail ${counter}`,
      ...mail,
    };
  });
  await control(app.emulator.url, 'mail', ready);
  await desk.sync(mailboxId);
  const { inboundMessages } = await desk.request<{
    inboundMessages: { edges: { node: Row & { internetMessageId: string } }[] };
  }>(
    `{ inboundMessages(first: 100) { edges { node { id subject internetMessageId outcome reason explanation
       ticket { id number priority tags group { name } assignee { id } } } } } }`,
  );
  return ready.map(({ messageId }) => {
    const found = inboundMessages.edges.find(({ node }) => node.internetMessageId === messageId);
    if (!found) throw new Error(`${messageId} is not in the ledger.`);
    return found.node;
  });
}

/** Runs a test with rules of its own. */
async function withRules(
  rules: Record<string, unknown>[],
  work: (ids: string[]) => Promise<void>,
): Promise<void> {
  const made: string[] = [];
  for (const [index, { name = `rule ${index}`, ...input }] of rules.entries()) {
    made.push((await makeRule(desk, String(name), input)).id);
  }
  try {
    await work(made);
  } finally {
    for (const mailRuleId of made) await mutateRule(desk, 'deleteMailRule', { mailRuleId });
  }
}

const word = (value: string) => ({ field: 'SUBJECT', operator: 'CONTAINS', value });
const file = { name: 'a.pdf', contentBytes: Buffer.from('file').toString('base64') };
const image = {
  name: 'a.png',
  contentType: 'image/png',
  contentBytes: file.contentBytes,
  isInline: true,
  contentId: 'logo',
};

test.each<[string, Record<string, unknown>, Record<string, unknown>, Record<string, unknown>]>([
  [
    'sender',
    { field: 'SENDER', operator: 'EQUALS', value: 'VIP@fabrikam.example' },
    { from: 'Vip <vip@fabrikam.example>' },
    { from: 'vip@fabrikam.example <x@fabrikam.example>' },
  ],
  [
    'domain of the sender',
    { field: 'SENDER', operator: 'IN_DOMAIN', value: 'contoso.example' },
    { from: 'a@mail.contoso.example' },
    { from: 'a@notcontoso.example' },
  ],
  [
    'recipient',
    { field: 'RECIPIENT', operator: 'STARTS_WITH', value: 'billing@' },
    { cc: ['billing@contoso.example'] },
    { cc: ['bill@contoso.example'] },
  ],
  [
    'subject',
    { field: 'SUBJECT', operator: 'MATCHES', value: 'invoice*overdue' },
    { subject: 'Invoice 7 is OVERDUE' },
    { subject: 'Invoice 7' },
  ],
  [
    'header',
    { field: 'HEADER', operator: 'EQUALS', headerName: 'x-priority', value: '1' },
    { headers: { 'X-Priority': '1' } },
    { headers: { 'X-Priority': '3' } },
  ],
  [
    'presence of a header',
    { field: 'HEADER', operator: 'PRESENT', headerName: 'X-Shop' },
    { headers: { 'X-Shop': '7' } },
    {},
  ],
  [
    'body',
    { field: 'BODY', operator: 'CONTAINS', value: 'out of paper' },
    { html: '<p>We are <b>out</b><br>of&nbsp;paper</p>' },
    { text: 'paper' },
  ],
  [
    'size over',
    { field: 'SIZE', operator: 'OVER', bytes: 10_000 },
    { text: 'x'.repeat(10_000) },
    { text: 'x', attachments: [{ ...file, contentBytes: Buffer.alloc(30_000).toString('base64') }] },
  ],
  [
    'size under',
    { field: 'SIZE', operator: 'UNDER', bytes: 10_000 },
    { text: 'x' },
    { text: 'x'.repeat(10_000) },
  ],
  [
    'attachment',
    { field: 'HAS_ATTACHMENT', operator: 'PRESENT' },
    { attachments: [file] },
    { html: '<img src="cid:logo">', attachments: [image] },
  ],
  [
    'absence of an attachment',
    { field: 'HAS_ATTACHMENT', operator: 'PRESENT', negated: true },
    {},
    { attachments: [file] },
  ],
])(
  'a rule about the %s acts on mail that is so, and on no other',
  async (_name, condition, matching, other) => {
    await withRules([{ conditions: [condition], actions: { tags: ['matched'] } }], async () => {
      const [yes, no] = await receive(matching, other);
      expect(yes).toMatchObject({ outcome: 'TICKET_CREATED', ticket: { tags: ['matched'] } });
      expect(yes?.explanation).toContain('By the mail rule "rule 0".');
      expect(no).toMatchObject({ outcome: 'TICKET_CREATED', ticket: { tags: [] } });
      expect(no?.explanation).not.toContain('rule');
    });
  },
);

describe('actions', () => {
  test('route the ticket: group, priority, tags and assignee; and events name the group', async () => {
    const groupId = await makeGroup(desk, 'Routed');
    const { user } = await signIn(app.database, desk.organizationId, 'AGENT');
    const assigneeId = encodeGlobalId('User', user.id);
    const actions = { groupId, assigneeId, priority: 'URGENT', tags: ['b', 'a'] };
    await withRules([{ conditions: [word('routed')], actions }], async () => {
      const [row] = await receive({ subject: 'To be routed' });
      expect(row?.ticket).toMatchObject({
        group: { name: 'Routed' },
        priority: 'URGENT',
        tags: ['b', 'a'],
        assignee: { id: assigneeId },
      });
      const { tickets } = await desk.request<{ tickets: { edges: { node: { id: string } }[] } }>(
        'query ($filter: TicketFilter) { tickets(filter: $filter) { edges { node { id } } } }',
        { filter: { groupId, priority: ['URGENT'], assigneeId, tag: 'a' } },
      );
      expect(tickets.edges.map(({ node }) => node.id)).toEqual([row?.ticket?.id]);
    });
  });

  test('come in the order of the rules until one stops; later ones override, tags gather', async () => {
    const conditions = [word('ordered')];
    const rules = [
      { conditions, actions: { priority: 'LOW', tags: ['one'] } },
      { conditions, actions: { priority: 'HIGH', tags: ['two'] } },
      { conditions: [word('halt')], actions: {}, stop: true },
      { conditions, actions: { tags: ['three'] } },
    ];
    await withRules(rules, async ([first = '']) => {
      const [all, halted] = await receive({ subject: 'ordered' }, { subject: 'ordered, halt' });
      expect(all?.ticket).toMatchObject({ priority: 'HIGH', tags: ['one', 'two', 'three'] });
      expect(halted?.ticket).toMatchObject({ priority: 'HIGH', tags: ['one', 'two'] });
      await mutateRule(desk, 'moveMailRule', { mailRuleId: first, position: 2 });
      const [moved] = await receive({ subject: 'ordered anew' });
      expect(moved?.ticket).toMatchObject({ priority: 'LOW', tags: ['two', 'one', 'three'] });
      await mutateRule(desk, 'updateMailRule', { mailRuleId: first, enabled: false });
      const [disabled] = await receive({ subject: 'ordered once more' });
      expect(disabled?.ticket).toMatchObject({ priority: 'HIGH', tags: ['two', 'three'] });
    });
  });

  test('ignore mail, and say which rule did; never a reply to a ticket, open or closed long ago', async () => {
    const [opened] = await receive({ messageId: '<first@fabrikam.example>', subject: 'Before the rule' });
    const rules = [
      {
        name: 'Spam',
        conditions: [{ field: 'SENDER', operator: 'IN_DOMAIN', value: 'fabrikam.example' }],
        actions: { ignore: true, tags: ['late'] },
      },
    ];
    await withRules(rules, async () => {
      const [spam, reply] = await receive(
        { subject: 'Buy' },
        { subject: 'Re: Before the rule', inReplyTo: '<first@fabrikam.example>' },
      );
      expect(spam).toMatchObject({
        outcome: 'IGNORED',
        reason: 'MAIL_RULE',
        ticket: null,
        explanation: 'Ignored by the mail rule "Spam".',
      });
      expect(reply).toMatchObject({ outcome: 'REPLY_ADDED', ticket: { id: opened?.ticket?.id, tags: [] } });
      await desk.request(
        'mutation ($id: ID!) { updateTicket(input: { ticketId: $id, status: CLOSED }) { __typename } }',
        { id: opened?.ticket?.id },
      );
      const receivedDateTime = new Date(Date.now() + 60 * 24 * 60 * 60 * 1_000).toISOString();
      const [late] = await receive({
        subject: 'Re: Before the rule',
        inReplyTo: '<first@fabrikam.example>',
        receivedDateTime,
      });
      expect(late).toMatchObject({
        outcome: 'TICKET_CREATED',
        reason: 'FOLLOW_UP',
        ticket: { tags: ['late'] },
      });
      expect(late?.explanation).toContain('"Spam" would ignore it, but a reply is never ignored');
    });
  });
});

test('new mail of a mailbox goes to its group, unless a rule names another; an archived one is passed over', async () => {
  const [own, other] = [await makeGroup(desk, 'Of the mailbox'), await makeGroup(desk, 'Of the rule')];
  const settle = (groupId: string | null) =>
    desk.request(
      'mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) { __typename } }',
      {
        input: { mailboxId, groupId },
      },
    );
  await settle(own);
  await withRules([{ conditions: [word('special')], actions: { groupId: other } }], async () => {
    const [plain, special] = await receive({}, { subject: 'special' });
    expect(plain?.ticket?.group?.name).toBe('Of the mailbox');
    expect(special?.ticket?.group?.name).toBe('Of the rule');
    await archiveGroup(desk, own);
    const [later] = await receive({});
    expect(later?.ticket?.group).toBeNull();
    expect(later?.explanation).toContain('The group "Of the mailbox" of this mailbox is archived');
  });
  await settle(null);
});

test('a rule that broke after it was saved does nothing, and the ledger says so', async () => {
  const groupId = await makeGroup(desk, 'Soon archived');
  const rules = [
    { name: 'Broken', conditions: [word('broken')], actions: { groupId, ignore: true }, stop: true },
    { name: 'Next', conditions: [word('broken')], actions: { tags: ['next'] } },
  ];
  await withRules(rules, async () => {
    await archiveGroup(desk, groupId);
    const [row] = await receive({ subject: 'broken' });
    expect(row).toMatchObject({ outcome: 'TICKET_CREATED', ticket: { group: null, tags: ['next'] } });
    expect(row?.explanation).toContain('By the mail rule "Next".');
    expect(row?.explanation).toContain('Passed over: the mail rule "Broken"');
  });
});

test('rules of another organization do nothing here', async () => {
  const stranger = await app.newDesk('Stranger');
  await makeRule(stranger, 'Theirs', { conditions: [word('e')], actions: { ignore: true } });
  const [row] = await receive({ subject: 'eee' });
  expect(row).toMatchObject({ outcome: 'TICKET_CREATED', ticket: { tags: [] } });
});

describe('testMailRule', () => {
  interface Trial {
    outcome: string;
    explanation: string;
    wasReply: boolean;
    routing: {
      group: { name: string } | null;
      priority: string;
      tags: string[];
      assignee: { id: string } | null;
    } | null;
    steps: {
      name: string;
      mailRule: { id: string } | null;
      verdict: string;
      conditions: { holds: boolean; condition: { field: string } }[];
    }[];
  }
  const tryRules = async (input: Record<string, unknown>, by: Pick<Desk, 'request'> = desk): Promise<Trial> =>
    (
      await by.request<{ testMailRule: Trial }>(
        `query ($input: TestMailRuleInput!) { testMailRule(input: $input) { outcome explanation wasReply
           routing { group { name } priority tags assignee { id } }
           steps { name mailRule { id } verdict conditions { holds condition { field } } } } }`,
        { input },
      )
    ).testMailRule;

  test('tells of a message of the ledger what ingest did, rule by rule', async () => {
    const groupId = await makeGroup(desk, 'Tried');
    const rules = [
      {
        conditions: [word('trial'), { field: 'HAS_ATTACHMENT', operator: 'PRESENT' }],
        match: 'ANY',
        actions: { groupId },
      },
      {
        conditions: [word('trial'), { field: 'BODY', operator: 'CONTAINS', value: 'nothing' }],
        actions: { tags: ['no'] },
      },
      {
        conditions: [{ field: 'HEADER', headerName: 'X-Trial', operator: 'PRESENT' }],
        actions: { priority: 'HIGH' },
        stop: true,
      },
      { conditions: [word('trial')], actions: { tags: ['behind'] } },
    ];
    await withRules(rules, async (ids) => {
      const [row] = await receive({ subject: 'Trial', headers: { 'X-Trial': '1' } });
      const tried = await tryRules({ inboundMessageId: row?.id });
      expect(tried).toMatchObject({ outcome: 'TICKET_CREATED', wasReply: false });
      expect(tried.routing).toEqual({ group: { name: 'Tried' }, priority: 'HIGH', tags: [], assignee: null });
      expect(row?.ticket).toMatchObject(tried.routing ?? {});
      expect(row?.explanation).toContain(tried.explanation);
      expect(tried.steps.map(({ verdict }) => verdict)).toEqual([
        'APPLIED',
        'NOT_MATCHED',
        'APPLIED',
        'NOT_REACHED',
      ]);
      expect(tried.steps.map(({ mailRule }) => mailRule?.id)).toEqual(ids);
      expect(tried.steps.map(({ conditions }) => conditions.map(({ holds }) => holds))).toEqual([
        [true, false],
        [true, false],
        [true],
        [],
      ]);
      const ignoring = { name: 'Draft', conditions: [word('trial')], actions: { ignore: true } };
      const replaced = await tryRules({
        inboundMessageId: row?.id,
        draft: { ...ignoring, replacesMailRuleId: ids[0] },
      });
      expect(replaced).toMatchObject({
        outcome: 'IGNORED',
        routing: null,
        explanation: 'Ignored by the mail rule "Draft".',
      });
      expect(replaced.steps).toHaveLength(4);
      expect(replaced.steps[0]).toMatchObject({ name: 'Draft', mailRule: null, verdict: 'APPLIED' });
      const last = await tryRules({ inboundMessageId: row?.id, draft: ignoring });
      expect(last.steps.map(({ verdict }) => verdict).at(-1)).toBe('NOT_REACHED');
      const first = await tryRules({ inboundMessageId: row?.id, draft: { ...ignoring, position: 1 } });
      expect(first.steps.map(({ name }) => name)[0]).toBe('Draft');
    });
  });

  test('takes a sample, counts the group of its mailbox, and saves nothing', async () => {
    const groupId = await makeGroup(desk, 'Sampled');
    const settle = (id: string | null) =>
      desk.request(
        'mutation ($input: UpdateIncomingSettingsInput!) { updateIncomingSettings(input: $input) { __typename } }',
        { input: { mailboxId, groupId: id } },
      );
    await settle(groupId);
    const sample = {
      mailboxId,
      sender: 'VIP@fabrikam.example',
      recipients: ['a@contoso.example'],
      subject: 'Sample',
      headers: [{ name: 'X-A', value: 'b' }],
      text: 'Text',
      sizeBytes: 77,
      hasAttachments: true,
    };
    const draft = {
      name: 'Draft',
      conditions: [
        { field: 'SENDER', operator: 'STARTS_WITH', value: 'vip@' },
        { field: 'RECIPIENT', operator: 'IN_DOMAIN', value: 'contoso.example' },
        word('sample'),
        { field: 'HEADER', headerName: 'x-a', operator: 'EQUALS', value: 'B' },
        { field: 'BODY', operator: 'EQUALS', value: 'text' },
        { field: 'SIZE', operator: 'OVER', bytes: 76 },
        { field: 'HAS_ATTACHMENT', operator: 'PRESENT' },
      ],
      actions: { tags: ['sampled'] },
    };
    const tried = await tryRules({ sample, draft });
    expect(tried.routing).toMatchObject({
      group: { name: 'Sampled' },
      priority: 'NORMAL',
      tags: ['sampled'],
    });
    expect(tried.steps.map(({ name }) => name)).toEqual(['Draft']);
    expect((await tryRules({ sample })).steps).toEqual([]);
    await settle(null);
  });

  test('says of a reply that rules are not asked about it', async () => {
    const [, reply] = await receive(
      { messageId: '<asked@fabrikam.example>', subject: 'Asked' },
      { subject: 'Re: Asked', inReplyTo: '<asked@fabrikam.example>' },
    );
    expect(await tryRules({ inboundMessageId: reply?.id })).toMatchObject({ wasReply: true });
  });

  test('refuses two mails, none, a draft that cannot be saved, a mail that is gone, and what is another organization’s', async () => {
    const [row] = await receive({ subject: 'Refusals' });
    const draft = { name: 'Draft', conditions: [word('x')], actions: { tags: ['a'] } };
    await expect(tryRules({})).rejects.toThrow(/one mail/);
    await expect(tryRules({ inboundMessageId: row?.id, sample: {} })).rejects.toThrow(/one mail/);
    await expect(tryRules({ sample: {}, draft: { ...draft, actions: {} } })).rejects.toThrow(
      /would do nothing/,
    );
    await expect(
      tryRules({
        sample: {},
        draft: { ...draft, replacesMailRuleId: encodeGlobalId('MailRule', crypto.randomUUID()) },
      }),
    ).rejects.toThrow(/mail rule was not found/);
    await control(app.emulator.url, 'faults', { status: 404, pathPattern: '/messages/[^/]+$' });
    await expect(tryRules({ inboundMessageId: row?.id })).rejects.toThrow(/in its mailbox was not found/);
    await control(app.emulator.url, 'faults', undefined, 'DELETE');
    const stranger = await app.newDesk('Stranger');
    await expect(tryRules({ inboundMessageId: row?.id }, stranger)).rejects.toThrow(
      /inbound message was not found/,
    );
    await expect(tryRules({ sample: { mailboxId } }, stranger)).rejects.toThrow(/mailbox was not found/);
  });
});
