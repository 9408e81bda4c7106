import { describe, expect, test } from 'vitest';
import { prepareBodies } from '../../src/ticketing/bodies.ts';
import { forwardedFrom } from '../../src/ticketing/forwarded.ts';
import { computingOf } from '../support/computing.ts';

const carla = { name: 'Carla Customer', emailAddress: 'carla@customer.example' };
const only = { name: null, emailAddress: 'carla@customer.example' };

describe('the sender of a forwarded mail is found as it is written by', () => {
  const cases: [program: string, subject: string, text: string, sender: typeof carla | typeof only | null][] =
    [
      [
        'Gmail',
        'Fwd: Printer',
        'Please help her.\n\n---------- Forwarded message ---------\nFrom: Carla Customer <carla@customer.example>\nDate: Mon, Nov 2, 2026 at 9:00 AM\nSubject: Printer\nTo: Bob <bob@shop.example>\n\nIt burns.',
        carla,
      ],
      [
        'Gmail in French',
        'Tr : Imprimante',
        '---------- Forwarded message ---------\nDe : Carla Customer <carla@customer.example>\nDate : lun. 2 nov. 2026\nSubject : Imprimante\nTo : <bob@shop.example>',
        carla,
      ],
      [
        'Outlook',
        'FW: Printer',
        'See below.\n\n________________________________\nFrom: Carla Customer <carla@customer.example>\nSent: Monday, November 2, 2026 9:00 AM\nTo: Bob <bob@shop.example>\nSubject: Printer\n\nIt burns.',
        carla,
      ],
      [
        'Outlook of old in German',
        'WG: Drucker',
        '-----Ursprüngliche Nachricht-----\nVon: Carla Customer [mailto:Carla@customer.example]\nGesendet: Montag, 2. November 2026 09:00\nAn: Bob\nBetreff: Drucker',
        carla,
      ],
      [
        'Outlook in Spanish, with bold labels',
        'RV: Impresora',
        '*De:* Carla Customer <carla@customer.example>\n*Enviado el:* lunes\n*Para:* Bob\n*Asunto:* Impresora',
        carla,
      ],
      [
        'Outlook in Polish',
        'PD: Drukarka',
        'Od: Carla Customer <carla@customer.example>\nWysłano: poniedziałek\nDo: Bob\nTemat: Drukarka',
        carla,
      ],
      [
        'Outlook in Chinese',
        '转发: 打印机',
        '发件人: Carla Customer <carla@customer.example>\n发送时间: 2026年11月2日\n收件人: Bob\n主题: 打印机',
        carla,
      ],
      [
        'Outlook in Japanese, with full-width colons',
        '転送：プリンター',
        '差出人：Carla Customer <carla@customer.example>\n送信日時：2026年11月2日\n宛先：Bob\n件名：プリンター',
        carla,
      ],
      [
        'Outlook in Russian',
        'Пересл: Принтер',
        'От: Carla Customer <carla@customer.example>\nОтправлено: 2 ноября\nКому: Bob\nТема: Принтер',
        carla,
      ],
      [
        'Apple Mail',
        'Fwd: Printer',
        'Begin forwarded message:\n\n> From: Carla Customer <carla@customer.example>\n> Subject: Printer\n> Date: 2 November 2026\n> To: bob@shop.example\n>\n> It burns.',
        carla,
      ],
      [
        'Thunderbird',
        'Fwd: Printer',
        '-------- Forwarded Message --------\nSubject: \tPrinter\nDate: \tMon, 2 Nov 2026 09:00:00 +0100\nFrom: \tCarla Customer <carla@customer.example>\nTo: \tbob@shop.example\n\nIt burns.',
        carla,
      ],
      [
        'somebody without a name',
        'Fwd: x',
        'From: carla@customer.example\nDate: today\nTo: b@c.example',
        only,
      ],
      [
        'a line that goes on in the next',
        'FW: x',
        'From: Carla Customer\n<carla@customer.example>\nSent: today\nTo: Bob\nSubject: x',
        carla,
      ],
      [
        'the nearest of two',
        'Fwd: Fwd: x',
        'From: Carla Customer <carla@customer.example>\nDate: today\nTo: b@c.example\n\nFrom: Dan <dan@d.example>\nDate: before\nTo: e@f.example',
        carla,
      ],
      ['a sentence', 'Fwd: x', 'From: what carla@customer.example says\nit burns.\nHelp her.', null],
      ['a reply', 'Re: x', 'From: Carla <carla@customer.example>\nDate: today\nTo: b@c.example', null],
      ['a name without an address', 'FW: x', 'From: Carla Customer\nSent: today\nTo: Bob\nSubject: x', null],
      ['an empty body', 'FW: x', '', null],
    ];
  test.each(cases)('%s', (_program, subject, text, sender) => {
    expect(forwardedFrom(subject, text)).toEqual(sender);
    expect(forwardedFrom(subject, text.replaceAll('\n', '\r\n'))).toEqual(sender);
  });

  test.each([
    [
      'Gmail in HTML',
      '<div>Help</div><div class="gmail_quote"><div>---------- Forwarded message ---------<br>From: <b>Carla Customer</b> <span>&lt;<a href="mailto:carla@customer.example">carla@customer.example</a>&gt;</span><br>Date: today<br>Subject: x<br>To:  &lt;b@c.example&gt;<br></div><p>It burns.</p></div>',
    ],
    [
      'Outlook in HTML',
      '<p>Help</p><hr><div><b>From:</b> Carla Customer &lt;carla@customer.example&gt;<br><b>Sent:</b> today<br><b>To:</b> Bob<br><b>Subject:</b> x</div><p>It burns.</p>',
    ],
    [
      'Apple Mail in HTML',
      '<div>Begin forwarded message:</div><blockquote type="cite"><div><span><b>From: </b></span><span>Carla Customer &lt;<a href="mailto:carla@customer.example">carla@customer.example</a>&gt;<br></span></div><div><b>Subject: </b>x<br></div><div><b>Date: </b>today<br></div><div>It burns.</div></blockquote>',
    ],
  ])('%s', (_program, content) => {
    const { text } = prepareBodies({ contentType: 'html', content }, null);
    expect(forwardedFrom('Fwd: x', text)).toEqual(carla);
  });
});

test('a very long body takes bounded time', () => {
  const text = `${'From: '.repeat(500_000)}\n${'From: a@\n'.repeat(500_000)}`;
  expect(computingOf(() => forwardedFrom('Fwd: x', text))).toBeLessThan(500);
});
