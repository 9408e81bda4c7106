import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkLiquid, renderLiquid } from '../../src/outbound/liquid.ts';
import { isNoReplyAddress } from '../../src/outbound/no-reply-address.ts';
import { NOTIFICATION_KINDS } from '../../src/outbound/notification.entity.ts';
import { DEFAULT_TEMPLATES } from '../../src/outbound/template-defaults.ts';
import type { TemplateError } from '../../src/outbound/template-error.ts';
import { sampleVariables, VARIABLES } from '../../src/outbound/template-variables.ts';
import { signIn } from '../access/harness.ts';
import { type Desk, graphqlRequest, startTestApp, type TestApp } from '../support/app.ts';

function faultOf(work: () => unknown): TemplateError {
  try {
    work();
  } catch (thrown) {
    return thrown as TemplateError;
  }
  throw new Error('The template was accepted.');
}

describe('Liquid', () => {
  test.each([
    '{% include "a" %}',
    '{% render "/etc/passwd" %}',
    '{% layout "a" %}',
    '{{ x | raw }}',
    '{{ x | nonsense }}',
    '{% if x %}',
    '{{ x',
  ])('%s is refused, with its place', (source) => {
    const fault = faultOf(() => checkLiquid('TEXT', `first\n ${source}`));
    expect(fault).toMatchObject({ code: 'TEMPLATE_INVALID', part: 'TEXT', line: 2, column: 2 });
  });

  test.each([
    '{% for i in (1..100000000) %}a{% endfor %}',
    '{% for i in (1..9000) %}{% for j in (1..9000) %}a{% endfor %}{% endfor %}',
    '{% assign a = "xx" %}{% for i in (1..60) %}{% assign a = a | append: a %}{% endfor %}{{ a }}',
    '{{ "now" | date: "%1000000d" }}',
    `{% for i in (1..300) %}{% for j in (1..900) %}${'a'.repeat(100)}{% endfor %}{% endfor %}`,
  ])('%s is ended before it costs much', (source) => {
    // What it computes itself: by the clock it also takes what others of the machine do meanwhile.
    const begin = process.threadCpuUsage();
    expect(faultOf(() => renderLiquid('TEXT', source, {}))).toMatchObject({ code: 'TEMPLATE_INVALID' });
    const { user, system } = process.threadCpuUsage(begin);
    expect((user + system) / 1_000).toBeLessThan(2_000);
  });

  test('a machine that is busy with other things spoils no mail: what a template computes counts, not how long it waits', () => {
    const standsStill = {
      get text() {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
        return 'there';
      },
    };
    expect(renderLiquid('TEXT', '{{ x.text }} {{ x.text }}', { x: standsStill })).toBe('there there');
  });

  test('what is put into HTML is escaped by whatever way, and reaches nothing but its own properties', () => {
    const variables = { x: { text: '<b>"&\nsecond' } };
    for (const shown of [
      '{{ x.text }}',
      '{% echo x.text %}',
      '{% cycle x.text %}',
      '{% capture a %}{{ x.text }}{% endcapture %}{{ a }}',
      '{{ x.text | paragraphs }}',
      '{{ x.text | upcase }}',
      '{{ x.text | newline_to_br }}',
    ])
      expect(renderLiquid('HTML', shown, variables)).not.toMatch(/<b>|<B>/);
    expect(renderLiquid('HTML', '{{ x.text | paragraphs }}', variables)).toBe(
      '<p>&lt;b&gt;&quot;&amp;<br>\nsecond</p>',
    );
    expect(renderLiquid('TEXT', '{{ x.text }}', variables)).toBe('<b>"&\nsecond');
    expect(
      renderLiquid(
        'TEXT',
        '[{{ x.constructor }}{{ x.__proto__ }}{{ x.toString }}{{ nothing.at.all }}]',
        variables,
      ),
    ).toBe('[]');
  });
});

test('our templates show every variable that they name, and none that their kind has not', () => {
  for (const kind of NOTIFICATION_KINDS) {
    const { subject, text } = DEFAULT_TEMPLATES[kind];
    const known = new Set(VARIABLES[kind].map(({ name }) => name));
    for (const [, name = ''] of `${subject}${text}`.matchAll(/\{[{%](?: if)? ([a-z]+\.[a-zA-Z]+)/g)) {
      expect([kind, name, known.has(name)]).toEqual([kind, name, true]);
    }
    expect(renderLiquid('TEXT', text, sampleVariables(kind))).not.toMatch(/\{\{|\{%/);
  }
});

test.each([
  ['no-reply@x.example', true],
  ['NoReply@x.example', true],
  ['do_not_reply+7@x.example', true],
  ['billing-noreply@x.example', true],
  ['keine-antwort@x.example', true],
  ['mailer-daemon@x.example', true],
  ['bounces+1234@x.example', true],
  ['reply@x.example', false],
  ['norbert@x.example', false],
  ['nora.replyson@x.example', false],
  ['support@x.example', false],
  ['roots@x.example', false],
])('whether nobody reads %s: %s', (address, expected) => {
  expect(isNoReplyAddress(address)).toBe(expected);
});

describe('templates over the API', () => {
  let app: TestApp;
  let desk: Desk;
  beforeAll(async () => {
    app = await startTestApp();
    desk = await app.newDesk('Contoso & Sons');
  });
  afterAll(() => app?.[Symbol.asyncDispose]());

  const FIELDS = 'kind subject html text isDefault changedAt variables { name description example }';
  const all = async (of = desk) =>
    (await of.request<{ mailTemplates: Record<string, unknown>[] }>(`{ mailTemplates { ${FIELDS} } }`))
      .mailTemplates;
  const update = async (input: object, of = desk) =>
    (
      await of.request<{ updateMailTemplate: Record<string, unknown> }>(
        `mutation ($input: UpdateMailTemplateInput!) { updateMailTemplate(input: $input) {
           ... on UpdateMailTemplatePayload { mailTemplate { ${FIELDS} } }
           ... on TemplateError { code part line column message } } }`,
        { input },
      )
    ).updateMailTemplate;
  const preview = async (args: string, of = desk) =>
    (
      await of.request<{ previewMailTemplate: Record<string, unknown> }>(
        `{ previewMailTemplate(${args}) { __typename
           ... on MailTemplatePreview { subject html text }
           ... on Error { code } ... on TemplateError { part line column } } }`,
      )
    ).previewMailTemplate;

  test('are ours until they are changed, and again when they are reset; of one organization only', async () => {
    const other = await app.newDesk('Other');
    expect(await all()).toMatchObject(NOTIFICATION_KINDS.map((kind) => ({ kind, isDefault: true })));
    expect(await update({ kind: 'CLOSED', text: 'Done: {{ ticket.number }}' })).toMatchObject({
      mailTemplate: {
        text: 'Done: {{ ticket.number }}',
        isDefault: false,
        subject: '{{ ticket.replySubject }}',
      },
    });
    await update({ kind: 'CLOSED', subject: 'Closed' });
    expect((await all())[3]).toMatchObject({ subject: 'Closed', text: 'Done: {{ ticket.number }}' });
    expect((await all(other))[3]).toMatchObject({ isDefault: true });
    for (const _again of [1, 2]) {
      await desk.request(
        'mutation { resetMailTemplate(input: { kind: CLOSED }) { ... on ResetMailTemplatePayload { mailTemplate { kind } } } }',
      );
    }
    expect((await all())[3]).toMatchObject({ isDefault: true, changedAt: null });
  });

  test('that are faulty are refused with the place of the fault, and nothing changes', async () => {
    expect(await update({ kind: 'RECEIVED', html: '<p>\n  {% if %}' })).toMatchObject({
      code: 'TEMPLATE_INVALID',
      part: 'HTML',
      line: 2,
      column: 8,
    });
    expect(await update({ kind: 'RECEIVED', text: 'x'.repeat(50_001) })).toMatchObject({
      code: 'TEMPLATE_INVALID',
      part: 'TEXT',
      line: null,
    });
    expect((await all())[0]).toMatchObject({ isDefault: true });
  });

  test('are previewed with examples or a ticket, without being saved or sent', async () => {
    expect(await preview('kind: REPLIED')).toMatchObject({
      __typename: 'MailTemplatePreview',
      subject: 'Carol Customer wrote in ticket #1234: The printer is on fire',
    });
    const { createTicket } = await desk.request<{ createTicket: { ticket: { id: string; number: number } } }>(
      `mutation { createTicket(input: { subject: "A <b>", text: "x", requesterEmail: "carol@fabrikam.example" }) {
         ... on CreateTicketPayload { ticket { id number } } } }`,
    );
    const { id, number } = createTicket.ticket;
    expect(
      await preview(
        `kind: CLOSED, ticketId: "${id}", subject: "S {{ ticket.subject }}\\n", html: "<i>{{ ticket.subject }} {{ message.text }} {{ organization.name }}</i>"`,
      ),
    ).toMatchObject({
      subject: 'S A <b>',
      html: '<i>A &lt;b&gt;  Contoso &amp; Sons</i>',
      text: expect.stringContaining(`your request ${number}`),
    });
    expect(await preview('kind: CLOSED, text: "{{ x | nonsense }}"')).toMatchObject({
      code: 'TEMPLATE_INVALID',
      part: 'TEXT',
      line: 1,
      column: 1,
    });
    const other = await app.newDesk('Other');
    expect(await preview(`kind: CLOSED, ticketId: "${id}"`, other)).toMatchObject({ code: 'NOT_FOUND' });
    expect((await all())[3]).toMatchObject({ isDefault: true });
  });

  test('are the business of administrators', async () => {
    const { secret } = await signIn(app.database, desk.organizationId, 'AGENT');
    for (const document of [
      '{ mailTemplates { kind } }',
      '{ previewMailTemplate(kind: CLOSED) { __typename } }',
      'mutation { updateMailTemplate(input: { kind: CLOSED, text: "x" }) { __typename } }',
      'mutation { resetMailTemplate(input: { kind: CLOSED }) { __typename } }',
      'mutation { updateNotificationPolicy(input: { userLimitPerDay: 5 }) { __typename } }',
    ]) {
      await expect(graphqlRequest(app.url, secret, document)).rejects.toThrow(/permission/);
    }
  });

  test('switches and policy name what they cannot be', async () => {
    const settings = (input: string) =>
      desk.request<{ updateNotificationSettings: { code?: string } }>(
        `mutation { updateNotificationSettings(input: { ${input} }) { ... on Error { code } } }`,
      );
    for (const input of ['kind: CLOSED, enabled: true']) {
      expect((await settings(input)).updateNotificationSettings.code).toBe('INVALID_INPUT');
    }
    const gone = Buffer.from('Group:00000000-0000-4000-8000-000000000000').toString('base64url');
    expect(
      (await settings(`kind: CLOSED, groupId: "${gone}", enabled: true`)).updateNotificationSettings.code,
    ).toBe('NOT_FOUND');
    for (const input of [
      'receivedPauseMinutes: -1',
      'contactLimitPerDay: 0',
      'ticketUrl: "javascript:{number}"',
      'ticketUrl: "https://x.example/"',
    ]) {
      const { updateNotificationPolicy } = await desk.request<{
        updateNotificationPolicy: { code?: string };
      }>(`mutation { updateNotificationPolicy(input: { ${input} }) { ... on Error { code } } }`);
      expect([input, updateNotificationPolicy.code]).toEqual([input, 'INVALID_INPUT']);
    }
  });
});
