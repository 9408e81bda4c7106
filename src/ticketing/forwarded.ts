import type { Correspondent } from './message.entity.ts';
import { isForwardSubject } from './subject.ts';

/** Only the beginning of a body is looked through, in characters: what was forwarded follows a short remark. */
export const FORWARD_LOOK = 64_000;

/** How the header of a forwarded mail names its sender, in the languages of Outlook, Gmail, Apple Mail and Thunderbird. */
const FROM =
  'from|von|de|da|van|från|fra|lähettäjä|od|kimden|gönderen|от|від|发件人|寄件者|寄件人|差出人|보낸사람|보낸 사람|מאת|من|από|feladó|expéditeur|remitente|mittente|afzender|dari|từ';

/** Its other lines: date, recipients and subject. Two of them tell a header from a sentence that begins with "From:". */
const OTHERS =
  'sent|date|to|cc|subject|reply-to|gesendet|datum|an|betreff|envoyé|à|a|objet|enviado|enviado el|fecha|para|asunto|assunto|data|inviato|oggetto|verzonden|aan|onderwerp|skickat|till|ämne|sendt|dato|til|emne|lähetetty|päivämäärä|vastaanottaja|aihe|wysłano|do|temat|gönderildi|tarih|kime|konu|отправлено|дата|кому|тема|надіслано|发送时间|日期|收件人|主题|寄件日期|收件者|主旨|日付|送信日時|宛先|件名|날짜|보낸 날짜|받는 사람|받는사람|제목|תאריך|נשלח|אל|נושא|التاريخ|إلى|الموضوع|ημερομηνία|προς|θέμα|dátum|küldve|címzett|tárgy|odesláno|komu|předmět|odoslané|predmet|tanggal|kepada|subjek|ngày|đến|chủ đề';

const label = (words: string): RegExp => new RegExp(`^(${words})\\s?[:：]\\s*(.*)$`, 'iu');
const FROM_LINE = label(FROM);
const OTHER_LINE = label(OTHERS);
const ADDRESS = /[^\s<>[\]()"',;:@]{1,64}@[^\s<>[\]()"',;:@]{1,255}/u;

/**
 * Who wrote the mail that was forwarded: the nearest one, when it was forwarded more than once. Null when the subject has
 * no forward prefix, or the body no header of a mail with an address. Anybody can write such lines: an offer to people,
 * nothing to decide by.
 */
export function forwardedFrom(subject: string, text: string): Correspondent | null {
  if (!isForwardSubject(subject)) return null;
  const lines = text.slice(0, FORWARD_LOOK).split('\n').map(bare);
  for (const [index, line] of lines.entries()) {
    const given = FROM_LINE.exec(line)?.[2];
    if (given === undefined || !isHeader(lines, index)) continue;
    // A line that was too long goes on in the next.
    const next = lines[index + 1] ?? '';
    const sender = senderIn(given) ?? (OTHER_LINE.test(next) ? null : senderIn(`${given} ${next}`));
    if (sender !== null) return sender;
  }
  return null;
}

/** Without marks of quoting and of bold type, and without marks of the direction of writing. */
function bare(line: string): string {
  return line
    .slice(0, 1_000)
    .replace(/[*\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '')
    .replace(/^[\s>|]+/u, '')
    .trim();
}

/** Thunderbird writes subject and date before the sender, the others after it. */
function isHeader(lines: readonly string[], index: number): boolean {
  const near = [...lines.slice(Math.max(0, index - 4), index), ...lines.slice(index + 1, index + 9)];
  const labels = near.flatMap((line) => OTHER_LINE.exec(line)?.[1]?.toLowerCase() ?? []);
  return new Set(labels).size >= 2;
}

function senderIn(given: string): Correspondent | null {
  const found = ADDRESS.exec(given.replace(/mailto:/giu, ''));
  if (found === null) return null;
  const emailAddress = found[0].toLowerCase().replace(/\.+$/u, '');
  const name = given
    .slice(0, given.search(/[<[(]|\S+@/u))
    .replace(/["']/gu, '')
    .trim()
    .slice(0, 200);
  return { name: name === '' || name.toLowerCase() === emailAddress ? null : name, emailAddress };
}
