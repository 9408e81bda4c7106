import { describe, expect, test } from 'vitest';
import { messageIdsIn } from '../../src/ticketing/message-id.ts';
import { baseSubject, ticketNumbersIn, ticketToken } from '../../src/ticketing/subject.ts';
import {
  chooseThread,
  nearestReferences,
  type ThreadCandidates,
  type ThreadMail,
} from '../../src/ticketing/threading.ts';
import { computingOf } from '../support/computing.ts';

const printer = { id: 'ticket-7', number: 7 };
const invoice = { id: 'ticket-8', number: 8 };

const candidates: ThreadCandidates = {
  ticketByMessageId: new Map([
    ['<printer-1@x>', printer],
    ['<printer-2@x>', printer],
    ['<invoice-1@x>', invoice],
  ]),
  ticketByNumber: new Map([
    [7, printer],
    [8, invoice],
  ]),
  conversations: new Map([
    ['conversation-printer', [{ ticket: printer, baseSubjects: new Set(['printer on fire']) }]],
    [
      'conversation-invoice',
      [
        { ticket: invoice, baseSubjects: new Set(['invoice']) },
        { ticket: printer, baseSubjects: new Set(['invoice', '']) },
      ],
    ],
  ]),
  participants: new Map([
    ['ticket-7', new Set(['carla@customer.example', 'boss@customer.example', 'support@example.com'])],
    ['ticket-8', new Set(['bob@customer.example', 'support@example.com'])],
  ]),
  ownAddresses: new Set(['support@example.com']),
};

function mail(parts: Partial<ThreadMail>): ThreadMail {
  return {
    internetMessageId: '<new@x>',
    inReplyTo: [],
    references: [],
    subject: 'Something',
    conversationId: 'conversation-new',
    senderAddress: 'carla@customer.example',
    ...parts,
  };
}

describe('the choice of a thread', () => {
  const cases: [
    name: string,
    mail: Partial<ThreadMail>,
    reason: string,
    ticketId: string | null,
    explanation: RegExp,
  ][] = [
    ['a mail that refers to nothing', {}, 'NEW_CONVERSATION', null, /refers to no other message/],
    [
      'In-Reply-To of a known message',
      { inReplyTo: ['<printer-1@x>'] },
      'REFERENCES',
      'ticket-7',
      /In-Reply-To .* #7/,
    ],
    [
      'a stranger who replies to a known message',
      { inReplyTo: ['<printer-1@x>'], senderAddress: 'new@elsewhere.example' },
      'REFERENCES',
      'ticket-7',
      /#7/,
    ],
    [
      'References only',
      { references: ['<unknown@x>', '<printer-2@x>'] },
      'REFERENCES',
      'ticket-7',
      /References .* #7/,
    ],
    [
      'In-Reply-To before References',
      { inReplyTo: ['<invoice-1@x>'], references: ['<printer-1@x>', '<printer-2@x>'] },
      'REFERENCES',
      'ticket-8',
      /In-Reply-To/,
    ],
    [
      'an unknown In-Reply-To, then the last of the References',
      { inReplyTo: ['<unknown@x>'], references: ['<printer-1@x>', '<invoice-1@x>'] },
      'REFERENCES',
      'ticket-8',
      /References/,
    ],
    [
      'the root when everything in between is unknown',
      { references: ['<printer-1@x>', ...Array.from({ length: 500 }, (_, i) => `<gap-${i}@x>`)] },
      'REFERENCES',
      'ticket-7',
      /References/,
    ],
    [
      'references before the token',
      { inReplyTo: ['<invoice-1@x>'], subject: 'Re: [#7]' },
      'REFERENCES',
      'ticket-8',
      /#8/,
    ],
    [
      'references in other letters: ids are case-sensitive',
      { inReplyTo: ['<PRINTER-1@x>'] },
      'NEW_CONVERSATION',
      null,
      /not known/,
    ],
    [
      'a mail that refers to itself',
      { internetMessageId: '<printer-1@x>', references: ['<printer-1@x>'] },
      'NEW_CONVERSATION',
      null,
      /refers to no other/,
    ],

    [
      'the token from the requester',
      { subject: 'Re: Printer [#7]' },
      'TICKET_TOKEN',
      'ticket-7',
      /names ticket #7, and carla/,
    ],
    [
      'the token from somebody in copy',
      { subject: '[#7]', senderAddress: 'boss@customer.example' },
      'TICKET_TOKEN',
      'ticket-7',
      /boss/,
    ],
    [
      'the token from a stranger',
      { subject: 'Re: Printer [#7]', senderAddress: 'eve@evil.example' },
      'NEW_CONVERSATION',
      null,
      /eve@evil.example takes no part/,
    ],
    [
      'the token from a participant of another ticket',
      { subject: '[#7]', senderAddress: 'bob@customer.example' },
      'NEW_CONVERSATION',
      null,
      /takes no part/,
    ],
    [
      'the token in the name of our own mailbox',
      { subject: '[#7]', senderAddress: 'support@example.com' },
      'NEW_CONVERSATION',
      null,
      /takes no part/,
    ],
    [
      'the token without a sender',
      { subject: '[#7]', senderAddress: null },
      'NEW_CONVERSATION',
      null,
      /without an address/,
    ],
    ['the token of no ticket', { subject: '[#999]' }, 'NEW_CONVERSATION', null, /#999, which does not exist/],
    ['two tokens, the second of the own ticket', { subject: '[#8] [#7]' }, 'TICKET_TOKEN', 'ticket-7', /#7/],
    [
      'a forwarded mail with the token, by a participant',
      { subject: 'WG: Printer [#7]' },
      'TICKET_TOKEN',
      'ticket-7',
      /#7/,
    ],
    [
      'a number without the form of the token',
      { subject: 'Order #7 (7) [7] [# 7] [#7' },
      'NEW_CONVERSATION',
      null,
      /no other message/,
    ],
    [
      'the token of a participant before the conversation',
      { subject: '[#7] invoice', conversationId: 'conversation-invoice' },
      'TICKET_TOKEN',
      'ticket-7',
      /#7/,
    ],

    [
      'the conversation with participant and subject',
      { conversationId: 'conversation-printer', subject: 'AW: Printer on  fire' },
      'CONVERSATION',
      'ticket-7',
      /same Outlook conversation/,
    ],
    [
      'the conversation of a stranger',
      {
        conversationId: 'conversation-printer',
        subject: 'Re: Printer on fire',
        senderAddress: 'eve@evil.example',
      },
      'NEW_CONVERSATION',
      null,
      /groups it with ticket #7/,
    ],
    [
      'the conversation with another subject',
      { conversationId: 'conversation-printer', subject: 'Coffee machine' },
      'NEW_CONVERSATION',
      null,
      /subject differs/,
    ],
    [
      'the conversation in the name of our own mailbox',
      {
        conversationId: 'conversation-printer',
        subject: 'Printer on fire',
        senderAddress: 'support@example.com',
      },
      'NEW_CONVERSATION',
      null,
      /groups it/,
    ],
    [
      'the conversation of two tickets: the one of the sender',
      { conversationId: 'conversation-invoice', subject: 'Invoice' },
      'CONVERSATION',
      'ticket-7',
      /#7/,
    ],
    [
      'the conversation without a subject: an empty one says nothing',
      { conversationId: 'conversation-invoice', subject: 'Re:' },
      'NEW_CONVERSATION',
      null,
      /groups it/,
    ],
    [
      'no conversation at all',
      { conversationId: null, subject: 'Printer on fire' },
      'NEW_CONVERSATION',
      null,
      /no other message/,
    ],
    [
      'no ids at all',
      { conversationId: null, internetMessageId: null, senderAddress: null, subject: '' },
      'NEW_CONVERSATION',
      null,
      /no other message/,
    ],
  ];
  test.each(cases)('%s', (_name, parts, reason, ticketId, explanation) => {
    const choice = chooseThread(mail(parts), candidates);
    expect(choice).toMatchObject({ reason, ticketId });
    expect(choice.explanation).toMatch(explanation);
    expect(choice.explanation).toMatch(/^A (?:reply|new conversation): .+\.$/);
  });

  test('looks up a bounded number of references, the nearest and the root', () => {
    const references = Array.from({ length: 1_000 }, (_, i) => `<${i}@x>`);
    const nearest = nearestReferences(mail({ inReplyTo: ['<a@x>'], references }));
    expect(nearest.length).toBeLessThanOrEqual(61);
    expect(nearest.slice(0, 2)).toEqual(['<a@x>', '<999@x>']);
    expect(nearest).toContain('<0@x>');
  });
});

describe('Message-IDs are read from what mail programs write', () => {
  const cases: [name: string, values: string[], ids: string[]][] = [
    ['one', ['<a@b>'], ['<a@b>']],
    ['several in one value', ['<a@b> <c@d>\r\n\t<e@f>'], ['<a@b>', '<c@d>', '<e@f>']],
    ['run together', ['<a@b><c@d>'], ['<a@b>', '<c@d>']],
    ['with a comment and a phrase', ['Your message of today (see <a@b>)'], ['<a@b>']],
    ['without brackets', ['a@b, c@d'], ['<a@b>', '<c@d>']],
    ['without a domain, in brackets', ['<local-only>'], ['<local-only>']],
    ['doubled', ['<a@b>', '<a@b>'], ['<a@b>']],
    ['garbage', ['', '<>', '< >', 'hello world', '@', '<<<>>>', '\u0000'], []],
    ['too long', [`<${'x'.repeat(2_000)}@y>`], []],
    ['with a NUL inside', ['<a\u0000@b>'], ['<a@b>']],
  ];
  test.each(cases)('%s', (_name, values, ids) => {
    expect(messageIdsIn(values)).toEqual(ids);
  });
});

describe('the base subject is the same for a conversation', () => {
  const cases: [subject: string, base: string][] = [
    ['Printer', 'printer'],
    ['Re: Printer', 'printer'],
    ['RE: re : Re:Printer', 'printer'],
    ['Re[2]: Printer', 'printer'],
    ['AW (3): WG: Printer', 'printer'],
    ['Re^4: Printer', 'printer'],
    ['FW: Fwd: SV: RV: VS: TR: Printer', 'printer'],
    ['回复: Printer', 'printer'],
    ['回复：转发：Printer', 'printer'],
    ['  Re:\t  Printer \u00a0 on\r\n fire ', 'printer on fire'],
    ['Re: [#12] Printer', 'printer'],
    ['[#12] Re: Printer', 'printer'],
    ['Printer [#12]', 'printer'],
    ['Re:', ''],
    ['', ''],
    ['Re', 're'],
    ['Reset: password', 'reset: password'],
    ['Regarding: printer', 'regarding: printer'],
    ['Project: Re: x', 'project: re: x'],
    ['[12] Printer', '[12] printer'],
    ['re: '.repeat(400), ''],
  ];
  test.each(cases)('%j', (subject, base) => {
    expect(baseSubject(subject)).toBe(base);
  });

  test('and takes bounded time for a very long one', () => {
    const subject = `${'Re: [#1] '.repeat(500_000)}x`;
    expect(computingOf(() => baseSubject(subject))).toBeLessThan(500);
  });
});

test('ticket tokens are found again, bounded and without repetition', () => {
  expect(ticketNumbersIn(`Re: ${ticketToken(123)} x ${ticketToken(123)}`)).toEqual([123]);
  expect(ticketNumbersIn('[#0] [#1234567890] [#-1] [#007]')).toEqual([7]);
  expect(ticketNumbersIn(Array.from({ length: 50 }, (_, i) => ticketToken(i + 1)).join(''))).toHaveLength(5);
});
