import type { Dice } from '../chaos/random.ts';

/** See the emulator's quirk `oddMessages`. */
export interface OddAnswer {
  set?: Record<string, unknown>;
  omit?: string[];
}

const ODD_VALUES: readonly unknown[] = [
  ...[
    null,
    0,
    -1,
    1e308,
    true,
    false,
    '',
    ' ',
    '\0',
    '\ud800',
    'x\udc00y',
    [],
    {},
    [null],
    [[]],
    [{}],
    { a: {} },
  ],
  ...['0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '4501-01-01T00:00:00Z', '2024-01-01T00:00:00-25:00'],
  ...['x'.repeat(5_000), { emailAddress: null }, { emailAddress: { name: 1, address: [] } }],
  ...[
    [{ emailAddress: { name: '\ud800', address: '\udfff@b.example' } }],
    { contentType: 'html', content: null },
  ],
  ...[
    { contentType: null, content: '\ud800\0' },
    { contentType: 'HTML', content: 5 },
    { contentType: 'html' },
  ],
  ...[[{ name: 'In-Reply-To', value: null }, { name: null, value: 'x' }, 7], [{ name: '', value: '\0' }]],
];

const PROPERTIES = [
  ...[
    'internetMessageId',
    'conversationId',
    'subject',
    'from',
    'sender',
    'replyTo',
    'toRecipients',
    'ccRecipients',
  ],
  ...[
    'receivedDateTime',
    'sentDateTime',
    'isDraft',
    'hasAttachments',
    'body',
    'uniqueBody',
    'internetMessageHeaders',
  ],
];

/** Another answer about a mail than Microsoft gives: values that are not to be expected, and some that are missing. */
export function oddAnswer(dice: Dice): OddAnswer {
  const set: Record<string, unknown> = {};
  for (let times = dice.whole(1, 3); times > 0; times -= 1)
    set[dice.pick(PROPERTIES)] = dice.pick(ODD_VALUES);
  const omit = dice.chance(0.4) ? [dice.pick(PROPERTIES), dice.pick(PROPERTIES)] : [];
  return { set, omit };
}
