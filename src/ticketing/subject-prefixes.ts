/** How the mail programs of one language begin the subject of a reply and of a forwarded mail, in lower case. */
export interface SubjectPrefixes {
  language: string;
  reply: readonly string[];
  forward: readonly string[];
}

/**
 * RFC 5322 (3.6.5) knows only `Re:`; the rest is what Outlook, Lotus Notes and webmail of each language write. Words that
 * also begin ordinary subjects (such as `CT:` and `ED:`) are left out.
 */
export const SUBJECT_PREFIXES: readonly SubjectPrefixes[] = [
  { language: 'English and international', reply: ['re', 'r'], forward: ['fw', 'fwd', 'i'] },
  { language: 'Arabic', reply: ['رد', 'الرد'], forward: ['إعادة توجيه', 'توجيه'] },
  { language: 'Chinese, simplified', reply: ['回复', '答复'], forward: ['转发'] },
  { language: 'Chinese, traditional', reply: ['回覆', '答覆'], forward: ['轉寄', '轉發'] },
  { language: 'Croatian, Serbian and Slovenian', reply: ['odg'], forward: ['prosl', 'posr'] },
  { language: 'Czech and Slovak', reply: ['odp'], forward: ['přep'] },
  // `VS` is "videresendt" here and "vastaus", a reply, in Finland: both read it as a prefix.
  { language: 'Danish, Norwegian and Swedish', reply: ['sv'], forward: ['vb', 'vs', 'vidarebefordrat'] },
  { language: 'Dutch', reply: ['antw', 'antwoord'], forward: ['doorst', 'doorgestuurd'] },
  { language: 'Finnish', reply: ['vs'], forward: ['vl'] },
  { language: 'French', reply: ['ré', 'rép', 'ref'], forward: ['tr'] },
  { language: 'German', reply: ['aw', 'antwort'], forward: ['wg', 'weitergeleitet', 'weiterleitung'] },
  { language: 'Greek', reply: ['απ', 'απάντηση', 'σχετ'], forward: ['πρθ', 'προώθ'] },
  { language: 'Hebrew', reply: ['השב', 'תגובה'], forward: ['הועבר'] },
  { language: 'Hungarian', reply: ['vá', 'válasz'], forward: ['továbbítás', 'továbbítva'] },
  { language: 'Icelandic', reply: ['svar'], forward: ['fs', 'áframsent'] },
  { language: 'Indonesian and Malay', reply: ['bls', 'balas'], forward: ['trs', 'terusan'] },
  { language: 'Italian', reply: ['rif', 'ri'], forward: ['inoltro', 'inoltra'] },
  { language: 'Japanese', reply: ['返信'], forward: ['転送'] },
  { language: 'Korean', reply: ['답장', '회신', '답변'], forward: ['전달'] },
  { language: 'Latvian and Lithuanian', reply: ['ats'], forward: ['pārs', 'pers'] },
  { language: 'Polish', reply: ['odp'], forward: ['pd', 'przekazane'] },
  { language: 'Portuguese', reply: ['res', 'resp'], forward: ['enc', 'encaminhado'] },
  { language: 'Romanian', reply: ['răsp'], forward: ['redir'] },
  {
    language: 'Russian and Bulgarian',
    reply: ['отв', 'ответ', 'на', 'отг'],
    forward: ['пересл', 'переслано', 'пересылка', 'препр'],
  },
  { language: 'Spanish and Catalan', reply: ['resposta'], forward: ['rv', 'reenv', 'reenviado'] },
  { language: 'Thai', reply: ['ตอบ', 'ตอบกลับ'], forward: ['ส่งต่อ'] },
  // In lower case `İLT` has an i with a dot of its own, and `YANIT` one that `yanıt` has not.
  { language: 'Turkish', reply: ['ynt', 'yanıt', 'yanit', 'cvp'], forward: ['ilt', 'i\u0307lt'] },
  { language: 'Ukrainian', reply: ['відп', 'відповідь'], forward: ['переслав', 'перенапр', 'пересилання'] },
  { language: 'Vietnamese', reply: ['trả lời', 'tl'], forward: ['chuyển tiếp'] },
  { language: 'Welsh', reply: ['atb'], forward: ['yml'] },
];

/** One prefix with its colon (also a full-width one) and its counter: `Re[2]:`, `AW (3):`, `Re^2:`, `回复（2）：`. */
const pattern = (words: readonly string[]): RegExp =>
  new RegExp(
    `^(?:${words.join('|')})\\s?(?:[[［]\\d{1,4}[\\]］]|[(（]\\d{1,4}[)）]|[\\^-]?\\d{1,4})?\\s?[:：﹕]\\s?`,
    'u',
  );

const FORWARD = pattern(SUBJECT_PREFIXES.flatMap(({ forward }) => forward));
const REPLY = pattern(SUBJECT_PREFIXES.flatMap(({ reply }) => reply));
const ANY = pattern(SUBJECT_PREFIXES.flatMap(({ reply, forward }) => [...reply, ...forward]));

/** A note of a mail gateway that the mail came from outside; it is added on one way and not on the other. */
const GATEWAY = /^[[［](?:ext|extern|externe|external|external email|external sender)[\]］]\s?:?\s?/u;

/** What comes before the subject proper: `length` characters, of which the prefixes say that mail was forwarded or not. */
export interface LeadingPrefixes {
  length: number;
  isForward: boolean;
  /** The same of the first prefix alone, which the newest mail has added; false for words that also mean a reply. */
  isNewestForward: boolean;
}

/** Reads the prefixes at the beginning of a subject that is in lower case, without surplus white space. */
export function leadingPrefixes(subject: string): LeadingPrefixes {
  let rest = subject;
  let isForward = false;
  let isNewestForward: boolean | null = null;
  for (;;) {
    const prefix = ANY.exec(rest);
    const [begin] = prefix ?? GATEWAY.exec(rest) ?? [];
    if (begin === undefined) {
      return { length: subject.length - rest.length, isForward, isNewestForward: isNewestForward ?? false };
    }
    const says = FORWARD.test(rest);
    if (prefix !== null) isNewestForward ??= says && !REPLY.test(rest);
    isForward ||= says;
    rest = rest.slice(begin.length);
  }
}
