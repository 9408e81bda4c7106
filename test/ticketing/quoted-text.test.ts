import { describe, expect, test } from 'vitest';
import { prepareBodies } from '../../src/ticketing/bodies.ts';
import { linesLeft, splitText } from '../../src/ticketing/quoted-text.ts';

const html = (content: string) => ({ contentType: 'html' as const, content });
const text = (content: string) => ({ contentType: 'text' as const, content });
const OLD = '> Did you try to turn it off?\n> Support';

describe('an answer above its quote, as mail programs introduce it', () => {
  const introductions: [program: string, introduction: string][] = [
    ['Gmail, English', 'On Mon, Nov 16, 2026 at 9:00 AM Support <support@example.com> wrote:'],
    [
      'Gmail, broken in two',
      'On Mon, Nov 16, 2026 at 9:00 AM Support Team of Example\n<support@example.com> wrote:',
    ],
    ['Gmail, German', 'Am Mo., 16. Nov. 2026 um 09:00 Uhr schrieb Support <support@example.com>:'],
    ['Thunderbird, German', 'Am 16.11.26 um 09:00 schrieb Support:'],
    ['Gmail, French', 'Le lun. 16 nov. 2026 à 09:00, Support <support@example.com> a écrit :'],
    ['Gmail, Spanish', 'El lun, 16 nov 2026 a las 9:00, Support (<support@example.com>) escribió:'],
    ['Gmail, Portuguese', 'Em seg., 16 de nov. de 2026 às 09:00, Support <support@example.com> escreveu:'],
    ['Gmail, Italian', 'Il giorno lun 16 nov 2026 alle ore 09:00 Support <support@example.com> ha scritto:'],
    ['Gmail, Dutch', 'Op ma 16 nov 2026 om 09:00 schreef Support <support@example.com>:'],
    ['Gmail, Swedish', 'Den mån 16 nov. 2026 kl 09:00 skrev Support <support@example.com>:'],
    ['Gmail, Danish', 'Den man. 16. nov. 2026 kl. 09.00 skrev Support <support@example.com>:'],
    ['Gmail, Finnish', 'ma 16. marrask. 2026 klo 9.00 Support (support@example.com) kirjoitti:'],
    ['Gmail, Polish', 'pon., 16 lis 2026 o 09:00 Support <support@example.com> napisał(a):'],
    ['Gmail, Czech', 'po 16. 11. 2026 v 9:00 odesílatel Support <support@example.com> napsal:'],
    ['Gmail, Russian', 'пн, 16 нояб. 2026 г. в 09:00, Support <support@example.com>:'],
    ['Gmail, Turkish', 'Support <support@example.com>, 16 Kas 2026 Pzt, 09:00 tarihinde şunu yazdı:'],
    ['Gmail, Hungarian', 'Support <support@example.com> ezt írta (időpont: 2026. nov. 16., H, 9:00):'],
    ['Gmail, Chinese', 'Support <support@example.com> 于2026年11月16日周一 09:00写道：'],
    ['Gmail, Japanese', '2026年11月16日(月) 9:00 Support <support@example.com>:'],
    ['Gmail, Korean', '2026년 11월 16일 (월) 오전 9:00, Support <support@example.com>님이 작성:'],
    [
      'Gmail, Hebrew',
      '\u202bבתאריך יום ב׳, 16 בנוב׳ 2026 ב-9:00 מאת \u202aSupport\u202c <\u202asupport@example.com\u202c>:',
    ],
    ['Apple Mail', 'On 16 Nov 2026, at 09:00, Support <support@example.com> wrote:'],
    ['Apple Mail, German', 'Am 16.11.2026 um 09:00 schrieb Support <support@example.com>:'],
  ];
  test.each(introductions)('%s', (_program, introduction) => {
    expect(splitText(`Thanks, that works.\n\n${introduction}\n\n${OLD}`)).toEqual({
      own: 'Thanks, that works.',
      quoted: `${introduction}\n\n${OLD}`,
      signature: '',
    });
  });

  test.each([
    [
      'English',
      'From: Support <s@example.com>\nSent: Monday, 16 November 2026 09:00\nTo: Carol\nSubject: Printer',
    ],
    ['English, bold', '*From:* Support <s@example.com>\n*Sent:* Monday\n*To:* Carol\n*Subject:* Printer'],
    [
      'German',
      'Von: Support <s@example.com>\nGesendet: Montag, 16. November 2026 09:00\nAn: Carol\nBetreff: Drucker',
    ],
    [
      'French',
      'De : Support <s@example.com>\nEnvoyé : lundi 16 novembre 2026 09:00\nÀ : Carol\nObjet : Imprimante',
    ],
    [
      'Spanish',
      'De: Support <s@example.com>\nEnviado el: lunes, 16 de noviembre\nPara: Carol\nAsunto: Impresora',
    ],
    [
      'Italian',
      'Da: Support <s@example.com>\nInviato: lunedì 16 novembre 2026\nA: Carol\nOggetto: Stampante',
    ],
    ['Dutch', 'Van: Support <s@example.com>\nVerzonden: maandag\nAan: Carol\nOnderwerp: Printer'],
    ['Swedish', 'Från: Support <s@example.com>\nSkickat: den 16 november\nTill: Carol\nÄmne: Skrivare'],
    ['Polish', 'Od: Support <s@example.com>\nWysłano: poniedziałek\nDo: Carol\nTemat: Drukarka'],
    ['Russian', 'От: Support <s@example.com>\nОтправлено: понедельник\nКому: Carol\nТема: Принтер'],
    ['Chinese', '发件人: Support <s@example.com>\n发送时间: 2026年11月16日\n收件人: Carol\n主题: 打印机'],
    ['Japanese', '差出人: Support <s@example.com>\n送信日時: 2026年11月16日\n宛先: Carol\n件名: プリンター'],
    ['divider', '-----Original Message-----\nFrom: Support'],
    ['German divider', '-----Ursprüngliche Nachricht-----\nVon: Support'],
    ['underscores', `${'_'.repeat(32)}\nFrom: Support\nSent: Monday\nTo: Carol\nSubject: Printer`],
  ])("Outlook's header block, %s", (_language, block) => {
    const quoted = `${block}\n\nDid you try to turn it off?`;
    expect(splitText(`Thanks.\n\n${quoted}`)).toEqual({ own: 'Thanks.', quoted, signature: '' });
  });
});

describe('what is written is not taken for a quote', () => {
  test.each([
    [
      'answers between quoted lines',
      `On 16 Nov 2026, at 09:00, S <s@example.com> wrote:\n\n> One?\n\nYes.\n\n> Two?\n\nNo.`,
      'Yes.\n\nNo.',
    ],
    ['an answer below', `${OLD}\n\nI did.`, 'I did.'],
    ['a letter about letters', 'From: the heart\nI thank you.', 'From: the heart\nI thank you.'],
    ['a sentence that ends in a colon', 'The customer wrote:\nnothing', 'The customer wrote:\nnothing'],
    [
      'a line of dashes in a long text',
      `A\n--\n${'more\n'.repeat(30)}end`,
      `A\n--\n${'more\n'.repeat(30)}end`,
    ],
  ])('%s', (_name, given, own) => expect(splitText(given).own).toBe(own));
});

describe('signatures and disclaimers are folded, not lost', () => {
  test.each([
    ['dashes', 'Hello\n\n-- \nCarol\nFabrikam', '-- \nCarol\nFabrikam'],
    ['dashes above a quote', `Hello\n\n-- \nCarol\n\n${OLD}`, '-- \nCarol'],
    ['iPhone', 'Hello\n\nSent from my iPhone', 'Sent from my iPhone'],
    ['German iPhone', 'Hello\n\nVon meinem iPhone gesendet', 'Von meinem iPhone gesendet'],
    ['Chinese iPhone', 'Hello\n\n发自我的iPhone', '发自我的iPhone'],
    [
      'disclaimer',
      'Hello\n\nCONFIDENTIALITY NOTICE: secret.\nDelete it.',
      'CONFIDENTIALITY NOTICE: secret.\nDelete it.',
    ],
    [
      'German disclaimer',
      'Hello\n\nDiese E-Mail enthält vertrauliche Informationen.',
      'Diese E-Mail enthält vertrauliche Informationen.',
    ],
  ])('%s', (_name, given, signature) => {
    expect(prepareBodies(text(given), null)).toMatchObject({ strippedText: 'Hello', signature });
  });

  test.each([
    [
      'Gmail',
      '<div>Hello</div><div class="gmail_signature" data-smartmail="gmail_signature"><p>Carol, CEO</p></div>',
    ],
    ['Outlook', '<div>Hello</div><div id="Signature"><p>Carol, CEO</p></div>'],
    ['Outlook mobile', '<div>Hello</div><div id="ms-outlook-mobile-signature">Carol, CEO</div>'],
    ['Thunderbird', '<p>Hello</p><div class="moz-signature">Carol, CEO</div>'],
  ])('%s names its signature', (_program, content) => {
    const bodies = prepareBodies(html(content), null);
    expect(bodies).toMatchObject({ strippedText: 'Hello', signature: 'Carol, CEO', quotedText: null });
    expect(bodies.text).toBe(bodies.text.replace(/[\uFDD0-\uFDD2]/g, ''));
    expect(bodies.html).not.toMatch(/[\uFDD0-\uFDD2]/);
  });
});

describe('HTML of mail programs without a uniqueBody', () => {
  test.each([
    [
      'Outlook on the web',
      '<div>New</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> S</div><div>Old</div>',
    ],
    ['Outlook with a prefix', '<div>New</div><div id="x_divRplyFwdMsg">S</div><div>Old</div>'],
    [
      'Outlook for Windows',
      '<p>New</p><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"><p><b>Fr:</b> S</p></div><p>Old</p>',
    ],
    ['new Outlook', '<div>New</div><div id="mail-editor-reference-message-container"><p>Old</p></div>'],
    ['Outlook for Mac', '<div>New</div><span id="OLK_SRC_BODY_SECTION"><p>Old</p></span>'],
    [
      'Gmail in a language nobody knows',
      '<div>New</div><div class="gmail_quote"><div dir="ltr" class="gmail_attr">Qwrt zxcv 16.11.2026<br></div><blockquote class="gmail_quote">Old</blockquote></div>',
    ],
    [
      'Apple Mail',
      '<div>New</div><div><blockquote type="cite"><div>On 16 Nov 2026, at 09:00, S &lt;s@example.com&gt; wrote:</div><div>Old</div></blockquote></div>',
    ],
    [
      'Thunderbird',
      '<p>New</p><div class="moz-cite-prefix">Am 16.11.26 um 09:00 schrieb S:<br></div><blockquote type="cite" cite="mid:x">Old</blockquote>',
    ],
    [
      'Yahoo',
      '<div>New</div><div id="ydp1yahoo_quoted" class="yahoo_quoted"><div>S wrote</div><div>Old</div></div>',
    ],
    ['Proton', '<div>New</div><div class="protonmail_quote">Old</div>'],
  ])('%s', (_program, content) => {
    const { strippedText, quotedText, text: whole } = prepareBodies(html(content), null);
    expect(strippedText).toBe('New');
    expect(quotedText).toContain('Old');
    expect(whole).toContain('Old');
  });

  test("what Outlook calls the mail's own is looked through, and not believed when it is of another mail", () => {
    const body = html('<p>New</p><div id="divRplyFwdMsg">From: S</div><p>Old</p>');
    expect(prepareBodies(body, body).strippedText).toBe('New');
    expect(prepareBodies(body, html('<p>Something else entirely</p>')).strippedText).toBe('New');
    expect(prepareBodies(body, html('<p></p>')).strippedText).toBe('New');
    expect(prepareBodies(body, html('<p>New</p>'))).toMatchObject({
      strippedText: 'New',
      quotedText: 'From: S\n\nOld',
    });
  });
});

test('nothing is cut to nothing, and then nothing is called quoted', () => {
  for (const whole of [
    OLD,
    '-- \nCarol',
    'Sent from my iPhone',
    `${'-'.repeat(5)}Original Message-----\nOld`,
  ]) {
    expect(prepareBodies(text(whole), null), whole).toEqual({
      html: null,
      text: whole.trim(),
      strippedText: whole.trim(),
      quotedText: null,
      signature: null,
      isShortened: false,
    });
  }
});

test('every line that is not blank is in one of the parts', () => {
  const whole = `Hi\n\nSee below.\n\nCheers\nCarol\n\n-- \nFabrikam\n\nOn 16 Nov 2026, at 09:00, S <s@example.com> wrote:\n${OLD}`;
  const { strippedText, signature, quotedText } = prepareBodies(text(whole), null);
  expect(linesLeft(whole, [strippedText, signature ?? '', quotedText ?? '']).trim()).toBe('');
});
