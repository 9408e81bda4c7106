import { createDice, type Dice } from '../chaos/random.ts';
import { type OddAnswer, oddAnswer } from './odd-answers.ts';

/** A mail as nobody should send it. */
export interface MalformedMail {
  /** What is wrong with it, for reports. */
  kind: string;
  /** As it is handed in. */
  mime: Buffer;
  /** How Microsoft's answers about it differ from what they should be; null when they do not. */
  odd: OddAnswer | null;
}

/** Malformed mails without end, the same ones for the same seed. */
export function* malformedMails(seed: number): Generator<MalformedMail, never> {
  const dice = createDice(seed, 'malformed mails');
  for (let number = 0; ; number += 1) {
    const [kind, make] = dice.pick(dice.chance(0.02) ? BOMBS : KINDS);
    const mime = make(dice, number);
    const odd = kind === 'odd answer' || dice.chance(0.05) ? oddAnswer(dice) : null;
    yield { kind, mime: typeof mime === 'string' ? Buffer.from(mime, 'latin1') : mime, odd };
  }
}

type Make = (dice: Dice, number: number) => string | Buffer;

const ODD_PIECES = [
  ...['\0', '\xff\xfe', '\xed\xa0\x80', '\xc3', '\x1b[2J', '\x7f', '\r', '\n', '\t', '\\', '"', "'", '%s'],
  ...['=?utf-8?B?', '=?utf-8?Q?=ED=A0=80?=', '=?x-none?B?/////w==?=', '=?utf-8?b?7aCA?=', '?=', '=?', '='],
  ...['<', '>', '@', ',', ';', ':', '(', ')', '[', ']', '<a@b.example>', '<<a@b.example>>', '<>', '\r\n '],
  ...[
    'multipart/mixed',
    'boundary=',
    'boundary="b',
    'charset=utf-7',
    'base64',
    '--b',
    '--b--',
    '--',
    'text/html',
  ],
  ...[
    '[#1]',
    '[#999999999999]',
    'Re:',
    'Re: AW: Fwd: ',
    '$1',
    "';--",
    '{{x}}',
    '\u00a0',
    'NaN',
    '-1',
    '1e999',
  ],
];

const BROKEN_ADDRESSES = [
  ...['', '<>', '@', 'a@', '@b.example', 'a@b@c.example', '"a b"@c.example', 'a b@c.example', '<a@b.example'],
  ...[
    'a@b.example>',
    '"A <a@b.example>',
    'A "B <a@b.example>',
    'undisclosed-recipients:;',
    'g: a@b.example, c;',
  ],
  ...['a@[127.0.0.1]', 'a@[IPv6:::1]', 'a@-b.example', 'a@b..example', '.a@b.example', 'a..b@c.example'],
  ...[
    '=?utf-8?B?YUBiLmV4YW1wbGU=?=',
    '"\\"" <a@b.example>',
    '(c) a@b.example (d)',
    'a@xn--.example',
    'a@\0b',
  ],
  ...[
    'mailto:a@b.example',
    "'a@b.example'",
    'a%b@c.example',
    '/o=X/ou=Y/cn=Recipients/cn=z',
    'a@b.example;c@d.example',
  ],
  ...[
    `${'l'.repeat(5_000)}@b.example`,
    `a@${'d.'.repeat(2_000)}example`,
    '\xe9@\xfc.example',
    '\r\n\t<a@b.example>',
  ],
];

const ODD_DATES = [
  ...['', 'yesterday', 'Thu, 99 Foo 99999 99:99:99 +9999', 'Mon, 1 Jan 0000 00:00:00 +0000', '0', '-1'],
  ...[
    'Fri, 31 Dec 9999 23:59:59 -1200',
    'Fri, 31 Dec 9999 23:59:60 +0000',
    'Sat, 30 Feb 2024 10:00:00 +0100',
  ],
  ...[
    'Mon, 1 Jan 2024 10:00:00 -9999',
    'Mon, 1 Jan 2024 10:00:00 (CET',
    '1/1/24',
    '2024-01-01T00:00:00-25:00',
  ],
  ...[
    'Mon, 1 Jan 275760 00:00:00 GMT',
    'Thu, 1 Jan 1970 00:00:00 GMT',
    '\0',
    `Mon, ${'1'.repeat(3_000)} Jan 2024`,
  ],
];

/** A mail of the usual form, to be broken. */
function validMail(dice: Dice, number: number, header: Record<string, string> = {}): string {
  const id = () => `<m${dice.whole(0, 400)}@fabrikam.example>`;
  const fields: Record<string, string> = {
    From: `"Customer ${dice.whole(0, 50)}" <customer${dice.whole(0, 50)}@fabrikam.example>`,
    To: 'Support <support@contoso.example>',
    Subject: `${dice.pick(['', 'Re: ', 'AW: '])}Printer ${number} is on fire`,
    Date: 'Mon, 2 Nov 2026 10:00:00 +0100',
    'Message-ID': dice.chance(0.2) ? id() : `<n${number}@fabrikam.example>`,
    ...(dice.chance(0.3) ? { 'In-Reply-To': id(), References: `${id()} ${id()}` } : {}),
    'MIME-Version': '1.0',
    ...header,
  };
  const named = Object.keys(header).some((name) => name.toLowerCase() === 'content-type');
  const [type, body] = named ? ['', ''] : bodyOf(dice);
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${head.join('')}${type}\r\n${body}`;
}

function bodyOf(dice: Dice): [type: string, body: string] {
  const text =
    'Hello,\r\n\r\nit burns.\r\n\r\n-- \r\nCarol\r\n\r\nOn Mon, 2 Nov 2026, Support wrote:\r\n> Really?\r\n';
  const html = '<div dir="ltr"><p>Hello,</p><img src="cid:i"><blockquote>Really?</blockquote></div>';
  switch (dice.whole(0, 4)) {
    case 0:
      return ['Content-Type: text/html; charset=utf-8\r\n', html];
    case 1:
      return [
        'Content-Type: multipart/alternative; boundary=b\r\n',
        `--b\r\nContent-Type: text/plain\r\n\r\n${text}\r\n--b\r\nContent-Type: text/html\r\n\r\n${html}\r\n--b--\r\n`,
      ];
    case 2:
      return [
        'Content-Type: multipart/mixed; boundary="b"\r\n',
        `--b\r\n\r\n${text}\r\n--b\r\nContent-Type: image/png; name=i.png\r\nContent-ID: <i>\r\nContent-Disposition: attachment; filename=i.png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n`,
      ];
    case 3:
      return [
        'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n',
        'Gr=C3=BC=C3=9Fe=\r\n aus =E2=82=AC-Land\r\n',
      ];
    default:
      return ['Content-Type: text/plain; charset=iso-8859-1\r\n', text];
  }
}

function noise(dice: Dice, most: number): string {
  return Array.from({ length: dice.whole(1, most) }, () => dice.pick(ODD_PIECES)).join(
    dice.pick(['', ' ', 'x']),
  );
}

function withBytes(
  dice: Dice,
  mail: string,
  change: (bytes: Buffer, at: number) => void,
  most: number,
): Buffer {
  const bytes = Buffer.from(mail, 'latin1');
  for (let times = dice.whole(1, most); times > 0; times -= 1) change(bytes, dice.whole(0, bytes.length - 1));
  return bytes;
}

const KINDS: readonly (readonly [string, Make])[] = [
  ['odd answer', (dice, number) => validMail(dice, number)],
  [
    'cut off',
    (dice, number) => {
      const mail = validMail(dice, number);
      return mail.slice(0, dice.whole(mail.indexOf('\r\n') + 2, mail.length));
    },
  ],
  [
    'flipped bits',
    (dice, number) =>
      withBytes(
        dice,
        validMail(dice, number),
        (bytes, at) => void bytes.writeUInt8((bytes[at] ?? 0) ^ (1 << dice.whole(0, 7)), at),
        30,
      ),
  ],
  [
    'bytes at random',
    (dice, number) =>
      withBytes(
        dice,
        validMail(dice, number),
        (bytes, at) => void bytes.writeUInt8(dice.whole(0, 255), at),
        60,
      ),
  ],
  [
    'NULs',
    (dice, number) =>
      withBytes(dice, validMail(dice, number), (bytes, at) => void bytes.writeUInt8(0, at), 40),
  ],
  [
    'pieces in between',
    (dice, number) => {
      let mail = validMail(dice, number);
      for (let times = dice.whole(1, 12); times > 0; times -= 1) {
        const at = dice.whole(0, mail.length);
        mail = mail.slice(0, at) + dice.pick(ODD_PIECES) + mail.slice(at);
      }
      return mail;
    },
  ],
  [
    'lines mixed up',
    (dice, number) => {
      const lines = validMail(dice, number).split('\r\n');
      for (let times = dice.whole(1, 8); times > 0; times -= 1) {
        lines.splice(
          dice.whole(0, lines.length),
          0,
          ...lines.splice(dice.whole(0, lines.length - 1), dice.whole(1, 3)),
        );
      }
      return lines.join(dice.pick(['\r\n', '\n', '\r', '\n\r', '\r\r\n']));
    },
  ],
  [
    'broken addresses',
    (dice, number) => {
      const list = () =>
        Array.from({ length: dice.whole(1, 5) }, () => dice.pick(BROKEN_ADDRESSES)).join(', ');
      return validMail(dice, number, {
        From: list(),
        To: list(),
        Cc: list(),
        'Reply-To': list(),
        Sender: list(),
      });
    },
  ],
  ['odd date', (dice, number) => validMail(dice, number, { Date: dice.pick(ODD_DATES) })],
  ['odd subject', (dice, number) => validMail(dice, number, { Subject: noise(dice, 40) })],
  [
    'odd references',
    (dice, number) =>
      validMail(dice, number, {
        'Message-ID': noise(dice, 4),
        'In-Reply-To': noise(dice, 6),
        References: noise(dice, 40),
      }),
  ],
  [
    'answers itself',
    (dice, number) => {
      const [own, next] = [`<c${number}@b.example>`, `<c${number + 1}@b.example>`];
      return validMail(dice, number, {
        'Message-ID': own,
        'In-Reply-To': own,
        References: `${next} ${own} ${next}`,
      });
    },
  ],
  ['odd body', (dice, number) => validMail(dice, number) + noise(dice, 200)],
  [
    'odd HTML',
    (dice, number) =>
      `${validMail(dice, number, { 'Content-Type': 'text/html; charset=utf-8' })}${Array.from(
        { length: dice.whole(1, 60) },
        () => dice.pick(HTML_PIECES),
      ).join('')}`,
  ],
  [
    'multipart in a circle',
    (dice, number) => {
      const part = `--b\r\nContent-Type: multipart/${dice.pick(['mixed', 'alternative', 'related', 'report', 'signed'])}; boundary=b\r\n\r\n`;
      return `${validMail(dice, number, { 'Content-Type': 'multipart/mixed; boundary=b' })}${part.repeat(dice.whole(1, 40))}x\r\n--b--\r\n`;
    },
  ],
  [
    'odd multipart',
    (dice, number) => {
      const parts = Array.from(
        { length: dice.whole(0, 12) },
        () =>
          `--${dice.pick(['b', 'b--', 'c', ''])}\r\n${dice.chance(0.5) ? `Content-Type: ${noise(dice, 4)}\r\n` : ''}\r\n${noise(dice, 6)}\r\n`,
      );
      return `${validMail(dice, number, { 'Content-Type': `multipart/mixed; boundary=${dice.pick(['b', '"b', '""', 'b; boundary=c', '"b\\""'])}` })}${parts.join('')}`;
    },
  ],
  [
    'broken attachment',
    (dice, number) => {
      const name = dice.pick([
        '../../etc/passwd',
        'a\0b.exe',
        '',
        'con',
        `${'n'.repeat(3_000)}.pdf`,
        '\u202egpj.exe',
        '.',
        'a/b\\c',
        '=?utf-8?B?/w==?=',
      ]);
      const bytes = dice.pick([
        '!!!!====%%%%',
        'AAAA',
        '',
        '=',
        'A',
        'AAA\0AAA',
        'Zm9v\r\n--',
        '\xff\xff',
        'QUJD'.repeat(2_000),
      ]);
      const encoding = dice.pick(['base64', 'quoted-printable', 'x-uuencode', '8bit', '', 'binary']);
      const part = `--b\r\nContent-Type: ${dice.pick(['application/octet-stream', 'a/b/c;;;', '', 'message/rfc822', 'text/calendar; method=REQUEST', 'application/ms-tnef', 'image/png'])}\r\nContent-Disposition: ${dice.pick(['attachment', 'inline', 'x', ''])}; filename="${name}"\r\nContent-ID: ${dice.pick(['<i>', '', '<', '<i><i>'])}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${bytes}\r\n`;
      return `${validMail(dice, number, { 'Content-Type': 'multipart/mixed; boundary=b' })}--b\r\n\r\nSee file.\r\n${part.repeat(dice.whole(1, 3))}--b--\r\n`;
    },
  ],
  [
    'wrong charset',
    (dice, number) =>
      Buffer.concat([
        Buffer.from(
          validMail(dice, number, {
            'Content-Type': `text/${dice.pick(['plain', 'html'])}; charset=${dice.pick(['utf-8', 'utf-7', 'utf-16le', 'utf-32', 'x-none', '""', 'iso-2022-jp', 'gb18030', '\0'])}`,
            'Content-Transfer-Encoding': dice.pick(['8bit', 'base64', 'quoted-printable', '7bit', 'x']),
          }),
          'latin1',
        ),
        Buffer.from(Array.from({ length: dice.whole(1, 400) }, () => dice.whole(0, 255))),
      ]),
  ],
  [
    'a bounce of nothing',
    (dice, number) =>
      `${validMail(dice, number, { 'Content-Type': 'multipart/report; report-type=delivery-status; boundary=b', From: 'MAILER-DAEMON <>' })}--b\r\n\r\nUndeliverable: ${noise(dice, 5)}\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: ${noise(dice, 3)}\r\n\r\nFinal-Recipient: ${noise(dice, 4)}\r\nAction: ${noise(dice, 2)}\r\nStatus: ${noise(dice, 3)}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: ${noise(dice, 3)}\r\n--b--\r\n`,
  ],
  [
    'odd machine headers',
    (dice, number) =>
      validMail(dice, number, {
        'Auto-Submitted': noise(dice, 3),
        'List-Id': noise(dice, 3),
        'List-Unsubscribe': noise(dice, 5),
        Precedence: noise(dice, 2),
        'X-Auto-Response-Suppress': noise(dice, 4),
        'Content-Class': noise(dice, 2),
        'Return-Path': noise(dice, 2),
      }),
  ],
];

const HTML_PIECES = [
  ...[
    '<div>',
    '</div>',
    '<p',
    '<a href="',
    '">',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?xml',
    '<!DOCTYPE',
    '&',
    '&#0;',
  ],
  ...[
    '&#xD800;',
    '&#99999999;',
    '<table><tr><td>',
    '</table>',
    '<blockquote>',
    '<img src="cid:',
    '<style>',
    '<svg>',
  ],
  ...[
    '<math>',
    '<script>',
    '</script',
    '<img src=x onerror=x>',
    '<o:p>',
    '<v:shape',
    '<base href=x>',
    '<br/>',
    '\0',
  ],
  ...[
    '<div id="divRplyFwdMsg">',
    '<div class="gmail_quote">',
    'x',
    ' ',
    '\xc3\xa9',
    '\xff',
    "<a title='",
    '<form>',
    '=3D',
  ],
];

/** Large ones: one mail in fifty. */
const BOMBS: readonly (readonly [string, Make])[] = [
  [
    'header bomb',
    (dice, number) => validMail(dice, number, { 'X-Long': 'x'.repeat(dice.whole(100_000, 1_000_000)) }),
  ],
  [
    'many headers',
    (dice, number) => `${'X-A: b\r\n'.repeat(dice.whole(1_000, 10_000))}${validMail(dice, number)}`,
  ],
  [
    'huge subject',
    (dice, number) => validMail(dice, number, { Subject: 'Re: x '.repeat(dice.whole(1_000, 100_000)) }),
  ],
  [
    'many recipients',
    (dice, number) =>
      validMail(dice, number, {
        To: Array.from({ length: 5_000 }, (_, i) => `"P ${i}" <p${i}@b.example>`).join(', '),
      }),
  ],
  [
    'many references',
    (dice, number) =>
      validMail(dice, number, {
        References: Array.from({ length: 5_000 }, (_, i) => `<r${i}@b.example>`).join(' '),
      }),
  ],
  [
    'nesting bomb',
    (dice, number) => {
      const depth = dice.whole(100, 1_000);
      const parts = Array.from(
        { length: depth },
        (_, i) => `--b${i}\r\nContent-Type: multipart/mixed; boundary=b${i + 1}\r\n\r\n`,
      );
      return `${validMail(dice, number, { 'Content-Type': 'multipart/mixed; boundary=b0' })}${parts.join('')}`;
    },
  ],
  [
    'mail in mail in mail',
    (dice, number) =>
      `${validMail(dice, number, { 'Content-Type': 'message/rfc822' })}${'Content-Type: message/rfc822\r\n\r\n'.repeat(dice.whole(10, 200))}`,
  ],
  [
    'many parts',
    (dice, number) =>
      `${validMail(dice, number, { 'Content-Type': 'multipart/mixed; boundary=b' })}${'--b\r\n\r\nx\r\n'.repeat(dice.whole(500, 5_000))}--b--`,
  ],
  [
    'deep HTML',
    (dice, number) =>
      `${validMail(dice, number, { 'Content-Type': 'text/html' })}${dice.pick(['<div>', '<b>', '<table><tr><td>', '<blockquote>']).repeat(dice.whole(1_000, 20_000))}x`,
  ],
  [
    'long HTML',
    (dice, number) =>
      `${validMail(dice, number, { 'Content-Type': 'text/html' })}${dice.pick(['<p>x</p>', '<!--', 'a=b ', '&lt;', '<a href="', '<p ']).repeat(dice.whole(10_000, 60_000))}`,
  ],
  [
    'long text',
    (dice, number) =>
      `${validMail(dice, number, { 'Content-Type': 'text/plain' })}${dice.pick(['On Mon, somebody wrote\n', '> ', '_', '-- \n', 'From: a\n', ' ', '[#1] ', 'a@b.example ']).repeat(dice.whole(1_000, 40_000))}`,
  ],
];
