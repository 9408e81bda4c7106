import { ATTRIBUTION_MARK, QUOTE_MARK, SIGNATURE_MARK, withoutMarks } from './quote-marks.ts';

/** The parts of a text. Together they hold every line of it that is not blank. */
export interface TextParts {
  /** What its author wrote. */
  own: string;
  /** Quoted history, with the lines that introduce it. Empty when there is none. */
  quoted: string;
  /** Signature, "sent from" line and disclaimer. Empty when there is none. */
  signature: string;
}

type Part = keyof TextParts;

/** Of a longer line only this much is looked at. */
const MAX_LOOK = 400;
/** Lines of a signature at most: a longer one is rather text below a line of dashes. */
const MAX_SIGNATURE_LINES = 20;

/** Words of mail programs: who wrote it, as the first line of Outlook's header block. */
const FROM =
  'From|Von|De|Van|Da|Från|Fra|Lähettäjä|Od|От|Від|Kimden|Feladó|De la|Από|发件人|發件人|寄件者|差出人|보낸 사람|من|מאת';
/** The other lines of that block. */
const HEADER =
  'Sent|Date|To|Cc|Bcc|Subject|Importance|Attachments|Gesendet|Datum|An|Betreff|Anlagen|Envoyé|À|Objet|Enviado(?: el)?|Fecha|Para|Asunto|Enviada|Assunto|Data|A|Oggetto|Inviato|Verzonden|Aan|Onderwerp|Skickat|Till|Ämne|Sendt|Til|Emne|Lähetetty|Vastaanottaja|Aihe|Wysłano|Do|Temat|Odesláno|Komu|Předmět|Отправлено|Дата|Кому|Тема|Копия|Gönderildi|Gönderilme|Kime|Konu|Elküldve|Címzett|Tárgy|Trimis|Către|Subiect|Στάλθηκε|Προς|Θέμα|发送时间|日期|收件人|抄送|主题|傳送時間|收件者|主旨|送信日時|宛先|件名|보낸 날짜|받는 사람|제목|تاريخ|إلى|الموضوع|נשלח|אל|נושא';
const FROM_LINE = new RegExp(`^[*_\\s]*(?:${FROM})[*_]*\\s?[:：]`, 'i');
const HEADER_LINE = new RegExp(`^[*_\\s]*(?:${HEADER})[*_]*\\s?[:：]`, 'i');

/** "-----Original Message-----" and its like. */
const DIVIDER =
  /^\s*[-_=]{2,}\s*(?:Original(?:\s|-)?(?:Message|Nachricht)|Ursprüngliche Nachricht|Message d['’]origine|Message original|Mensaje original|Mensagem original|Messaggio originale|Oorspronkelijk bericht|Originalmeddelande|Ursprungligt meddelande|Opprinnelig melding|Oprindelig meddelelse|Alkuperäinen viesti|Wiadomość oryginalna|Původní zpráva|Исходное сообщение|Orijinal Mesaj|Eredeti üzenet|原始邮件|原始郵件|元のメッセージ|원본 메시지|Forwarded message|Weitergeleitete Nachricht|Message transféré|Mensaje reenviado)\s*[-_=]{2,}\s*$/i;

/** Verbs of "On <date>, <name> wrote:"; the line must also end in a colon and name a date or an address. */
const WROTE =
  /(?:wrote|schrieb|geschrieben|a écrit|écrit|escribió|escreveu|ha scritto|scritto|schreef|skrev|kirjoitti|napisał(?:\(a\)|a)?|pisze|napsal(?:\(a\)|a)?|написал(?:\(а\)|а)?|пише|пишет|yazdı|şunları yazdı|írta|a scris|έγραψε|写道|寫道|書きました|のメッセージ|작성|님이 작성|كتب|כתב(?:\/ה|ה)?)/i;

const DIRECTIONS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const DASHES = /^\s?--\s?$/;
const SENT_FROM =
  /^\s*(?:Sent (?:from|via) (?:my|Mail|Outlook|Samsung|Yahoo|Proton)|Get Outlook for|Von meinem .{2,40} gesendet|Gesendet (?:von|mit) |Diese Nachricht wurde von meinem|Envoyé (?:de|depuis) (?:mon|ma|Mail|Outlook)|Obtenez Outlook|Enviado (?:desde|do meu|a partir) |Inviato da|Verstuurd vanaf|Verzonden (?:vanaf|vanuit)|Skickat från|Sendt fra|Lähetetty |Wysłane z|Odesláno z|Отправлено (?:с|из)|发自我的|寄自我的|.{2,30}から送信|나의 .{2,30}에서 보냄)/i;
const DISCLAIMER =
  /^\s*[*_]*(?:(?:CONFIDENTIALITY|LEGAL|IMPORTANT)(?: AND LEGAL)? NOTICE|DISCLAIMER\b|HAFTUNGSAUSSCHLUSS|VERTRAULICHKEITSHINWEIS|This (?:e-?mail|message|communication)(?:,? (?:and|including) any (?:attachments?|files?)[^.]{0,60})? (?:is|are|may be|may contain|contains?) (?:strictly |intended |privileged|confidential)|The information (?:contained )?in this (?:e-?mail|message)|Diese (?:E-?Mail|Nachricht)[^.]{0,60} (?:enthält|ist|kann) (?:vertraulich|möglicherweise vertraulich|ausschließlich)|Ce (?:message|courriel)[^.]{0,80} (?:confidentiel|destiné)|Este (?:mensaje|correo)[^.]{0,80} confidencial|Questo messaggio[^.]{0,80} riservat|Please consider the environment before printing)/i;

/**
 * Finds what the author of a mail wrote, by the marks of {@link markQuotes}, the lines that mail programs in some twenty
 * languages put before a quote, Outlook's header blocks, `>` and `-- ` (RFC 3676, 4.3). Answers between and below quoted
 * lines are the author's. Takes time linear in the text. The marks are gone afterwards.
 */
export function splitText(marked: string): TextParts {
  const lines = marked.split('\n');
  const parts = lines.map((): Part => 'own');
  // Hebrew and Arabic mail programs put marks of direction around names and at the ends of lines.
  const plain = marked.replace(DIRECTIONS, '').split('\n');
  const restBegins = plain.findIndex((line, i) => beginsQuotedRest(plain, line, i));
  if (restBegins !== -1) parts.fill('quoted', restBegins);
  markQuotedLines(plain, parts);
  markSignature(plain, parts);
  const of = (part: Part) => joined(lines.filter((_, i) => parts[i] === part));
  return { own: of('own'), quoted: of('quoted'), signature: of('signature') };
}

/** The lines of `text` that are in none of `parts`, in their order; blank lines do not count. */
export function linesLeft(text: string, parts: readonly string[]): string {
  const known = new Map<string, number>();
  for (const line of parts.join('\n').split('\n')) known.set(line.trim(), (known.get(line.trim()) ?? 0) + 1);
  const left = text.split('\n').filter((line) => {
    const count = known.get(line.trim()) ?? 0;
    if (count > 0 && line.trim() !== '') known.set(line.trim(), count - 1);
    return line.trim() === '' || count === 0;
  });
  return joined(left);
}

/** Whether nearly all lines of `part` are lines of `text`: what Outlook calls the mail's own may be of another mail. */
export function isPartOf(part: string, text: string): boolean {
  const squeezed = text.replace(/\s+/g, ' ');
  const lines = part.split('\n').flatMap((line) => line.replace(/\s+/g, ' ').trim() || []);
  const tried = lines.slice(0, 50); // each look-up reads the whole text
  return tried.filter((line) => squeezed.includes(line)).length >= 0.8 * tried.length;
}

function beginsQuotedRest(lines: readonly string[], line: string, i: number): boolean {
  if (line.includes(QUOTE_MARK)) return true;
  const start = line.slice(0, MAX_LOOK);
  if (DIVIDER.test(start)) return true;
  if (isHeaderBlock(lines, i)) return true;
  // A mail program that quotes without any sign: all that follows its introduction.
  return isAttribution(start) && !lines.slice(i + 1, i + 6).some(isQuotedLine) && !isLast(lines, i);
}

/** Three lines of headers at least, the sender's first; a line of underscores above is Outlook's as well. */
function isHeaderBlock(lines: readonly string[], i: number): boolean {
  const at = (offset: number) => (lines[i + offset] ?? '').slice(0, MAX_LOOK);
  if (/^\s*[_-]{20,}\s*$/.test(at(0))) {
    const next = lines.slice(i + 1, i + 4).findIndex((line) => line.trim() !== '');
    return next !== -1 && isHeaderBlock(lines, i + 1 + next);
  }
  if (!FROM_LINE.test(at(0))) return false;
  const following = lines.slice(i + 1, i + 12).filter((line) => line.trim() !== '');
  return following.slice(0, 5).filter((line) => HEADER_LINE.test(line.slice(0, MAX_LOOK))).length >= 2;
}

function isAttribution(line: string): boolean {
  const text = line.trim();
  if (text.length < 8 || text.length >= MAX_LOOK || !/[:：]\s*-*$/.test(text)) return false;
  return WROTE.test(text) && /\d{1,4}[.:/年-]\s?\d|\b(?:19|20)\d\d\b|@/.test(text);
}

function isQuotedLine(line: string): boolean {
  return /^\s{0,3}>/.test(line);
}

function isLast(lines: readonly string[], i: number): boolean {
  return lines.slice(i + 1).every((line) => line.trim() === '');
}

/** `>` lines, and the lines right above them that say who wrote them. */
function markQuotedLines(lines: readonly string[], parts: Part[]): void {
  for (const [i, line] of lines.entries()) {
    if (!isQuotedLine(line)) continue;
    parts[i] = 'quoted';
    if (i > 0 && parts[i - 1] === 'quoted') continue;
    const introduction = introductionAbove(lines, i);
    for (let above = introduction; above < i; above += 1) parts[above] = 'quoted';
  }
}

/** Where the introduction of the quote at `end` begins: it may be broken into three lines. `end` when there is none. */
function introductionAbove(lines: readonly string[], end: number): number {
  let last = end - 1;
  while (last >= 0 && last >= end - 3 && lines[last]?.trim() === '') last -= 1;
  for (let start = last; start >= 0 && start > last - 3; start -= 1) {
    const text = lines.slice(start, last + 1).join(' ');
    if (lines[start]?.trim() === '' || isQuotedLine(lines[start] ?? '')) break;
    if (text.includes(ATTRIBUTION_MARK)) return start;
    if (isAttribution(text.slice(0, MAX_LOOK)) && (start === 0 || isBlankOrQuoted(lines[start - 1] ?? '')))
      return start;
  }
  // By its end alone: an address or a date and a colon right above the quote, whatever the language.
  const line = (lines[last] ?? '').slice(0, MAX_LOOK);
  return /<?\S+@\S+>?\s*\)?\S{0,12}\s?[:：]\s*$/.test(line) || isAttribution(line) ? last : end;
}

function isBlankOrQuoted(line: string): boolean {
  return line.trim() === '' || isQuotedLine(line);
}

/** From the first sign of a signature to the quote that follows, or the end. */
function markSignature(lines: readonly string[], parts: Part[]): void {
  // Counted once: a mail of nothing but lines of dashes asks for each of them, and had the process for minutes.
  const filledBefore = [0];
  for (const line of lines) filledBefore.push((filledBefore.at(-1) ?? 0) + (line.trim() === '' ? 0 : 1));
  let end = -1;
  for (let i = 0; i < lines.length; i += 1) {
    if (parts[i] !== 'own') continue;
    const line = (lines[i] ?? '').slice(0, MAX_LOOK);
    const isMarked = line.includes(SIGNATURE_MARK);
    const isDisclaimer = DISCLAIMER.test(line);
    if (!isMarked && !isDisclaimer && !DASHES.test(withoutMarks(line)) && !SENT_FROM.test(line)) continue;
    if (end <= i) end = endOfOwn(parts, i);
    const written = (filledBefore[end] ?? 0) - (filledBefore[i] ?? 0);
    if (written > (SENT_FROM.test(line) ? 4 : isDisclaimer ? 60 : MAX_SIGNATURE_LINES)) continue;
    for (let at = i; at < end; at += 1) parts[at] = 'signature';
    i = end;
  }
}

function endOfOwn(parts: readonly Part[], start: number): number {
  const end = parts.indexOf('quoted', start);
  return end === -1 ? parts.length : end;
}

function joined(lines: readonly string[]): string {
  return withoutMarks(lines.join('\n'))
    .replace(/\n{3,}/g, '\n\n')
    .replace(/^\s*\n/, '')
    .trimEnd();
}
