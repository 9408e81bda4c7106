import { describe, expect, test } from 'vitest';
import {
  capReferences,
  differences,
  newDraft,
  OUTBOUND_MESSAGE_PROPERTY,
} from '../../src/microsoft365/mail-draft.ts';
import { outgoing } from './sending-harness.ts';

const mail = outgoing({
  organizationId: 'organization',
  accountId: 'account',
  emailAddress: 'help@contoso.example',
  kind: 'PRIMARY',
});
const person = (address: string) => ({ emailAddress: { address } });
/** The draft as Exchange gives it back: its own HTML around ours, other names, and capitals. */
const found = {
  subject: mail.subject,
  body: {
    contentType: 'HTML',
    content:
      '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"><style>p{}</style></head>\r\n<body>\r\n<p>Have you&nbsp;tried <b>switching it off</b>?</p>\r\n</body></html>',
  },
  from: person('Help@Contoso.example'),
  replyTo: [],
  toRecipients: [person('Carol@fabrikam.example')],
  ccRecipients: [],
  bccRecipients: [],
  singleValueExtendedProperties: [{ id: OUTBOUND_MESSAGE_PROPERTY, value: mail.outboundMessageId }],
  internetMessageHeaders: [
    { name: 'x-deskgraph-organization', value: mail.organizationId },
    { name: 'X-Deskgraph-Outbound-Message', value: mail.outboundMessageId },
  ],
};

describe('a draft at Microsoft', () => {
  test('that says the same in Exchange’s way is left alone', () => {
    expect(differences(mail, found)).toBeNull();
  });

  test.each([
    ['subject', { subject: `RE: ${mail.subject}` }],
    ['body', { body: { contentType: 'html', content: `${found.body.content}<hr>It burns.` } }],
    ['body', { body: { contentType: 'text', content: 'Have you tried switching it off?' } }],
    ['body', { body: { contentType: 'html', content: `${found.body.content}<img src="cid:theirs">` } }],
    ['from', { from: person('other@contoso.example') }],
    ['replyTo', { replyTo: [person('other@contoso.example')] }],
    ['toRecipients', { toRecipients: [...found.toRecipients, person('dana@fabrikam.example')] }],
    ['toRecipients', { toRecipients: [] }],
    ['ccRecipients', { ccRecipients: [person('dana@fabrikam.example')] }],
    ['bccRecipients', { bccRecipients: [person('dana@fabrikam.example')] }],
    ['singleValueExtendedProperties', { singleValueExtendedProperties: [] }],
  ])('is told another %s when it says something else (%#)', (field, change) => {
    expect(Object.keys(differences(mail, { ...found, ...change }) ?? {})).toEqual([field]);
  });
});

test('headers that a reply lost are given to it as properties, once', () => {
  const automatic = { ...mail, isAutomatic: true };
  const header = (name: string) => `String {00020386-0000-0000-C000-000000000046} Name ${name}`;
  const change = differences(automatic, { ...found, internetMessageHeaders: [] });
  expect(change?.singleValueExtendedProperties).toEqual([
    { id: header('Auto-Submitted'), value: 'auto-generated' },
    { id: header('X-Deskgraph-Organization'), value: mail.organizationId },
    { id: header('X-Deskgraph-Outbound-Message'), value: mail.outboundMessageId },
    { id: header('X-Auto-Response-Suppress'), value: 'All' },
  ]);
  const properties = [
    ...found.singleValueExtendedProperties,
    ...(change?.singleValueExtendedProperties ?? []),
  ].map(({ id, value }) => ({ id: id.toUpperCase(), value }));
  const given = { ...found, internetMessageHeaders: [], singleValueExtendedProperties: properties };
  expect(differences(automatic, given)).toBeNull();
});

describe('references', () => {
  const ids = Array.from({ length: 300 }, (_, index) => `<${index}@fabrikam.example>`);

  test('of a long thread are its first and its newest', () => {
    const kept = capReferences(ids);
    expect(kept.length).toBe(20);
    expect(kept.slice(0, 2)).toEqual(['<0@fabrikam.example>', '<281@fabrikam.example>']);
    expect(kept.at(-1)).toBe('<299@fabrikam.example>');
  });

  test('never make a header that servers refuse', () => {
    const long = Array.from({ length: 30 }, (_, index) => `<${index}${'x'.repeat(300)}@fabrikam.example>`);
    expect(capReferences(long).join(' ').length).toBeLessThanOrEqual(2_000);
    expect(capReferences(long)[0]).toBe(long[0]);
  });

  test('hold each id once, and none of nothing', () => {
    expect(capReferences(['<a@b>', '<a@b>', '<c@d>'])).toEqual(['<a@b>', '<c@d>']);
    expect(capReferences([])).toEqual([]);
  });
});

test('a mail has no more headers of its own than Graph takes, and all of them begin with x-', () => {
  const { internetMessageHeaders } = newDraft({ ...mail, isAutomatic: true }, false);
  expect(internetMessageHeaders.length).toBeLessThanOrEqual(5);
  for (const { name } of internetMessageHeaders) expect(name).toMatch(/^x-/i);
});

test('a reply that Exchange threads is given no threading headers by us', () => {
  const reply = { ...mail, inReplyTo: '<a@b>', references: ['<a@b>'] };
  const idsOf = (isThreaded: boolean) =>
    newDraft(reply, isThreaded).singleValueExtendedProperties.map(({ id }) => id);
  expect(idsOf(true)).toEqual([OUTBOUND_MESSAGE_PROPERTY]);
  expect(idsOf(false)).toEqual([OUTBOUND_MESSAGE_PROPERTY, 'String 0x1042', 'String 0x1039']);
});
