/*
 * Tells what machines write from what people write. Headers decide; Exchange's message class and the subject only where
 * they can be trusted. What this says is never a reason to lose mail that somebody wants: see automatic-mail.ts.
 */

/** What kind of machine wrote a mail. */
export const AUTOMATIC_KINDS = [
  'AUTO_REPLY',
  'OUT_OF_OFFICE',
  'READ_RECEIPT',
  'BOUNCE',
  'CALENDAR_RESPONSE',
  'OWN_MAIL',
  'LIST_MAIL',
  'AUTO_GENERATED',
  'STORM',
] as const;
export type AutomaticKind = (typeof AUTOMATIC_KINDS)[number];

/**
 * The header of every mail that Deskgraph sends; its value is the id of the organization. `Auto-Submitted` cannot be set
 * through Graph's JSON and Exchange may drop it, names with `x-` stay. It comes back only with our own mail (redirected,
 * or sent to another of our mailboxes): replies do not repeat it.
 */
export const OWN_MAIL_HEADER = 'X-Deskgraph-Organization';

/** What is looked at. */
export interface MachineMail {
  headers: readonly { name: string; value: string }[];
  /** In lower case. */
  senderAddress: string | null;
  subject: string;
  /** Exchange's `PidTagMessageClass`, as far as it is known. */
  messageClass: string | null;
}

/** The kind, and what it was recognised by, in words that an administrator can read. */
export interface MachineFinding {
  kind: AutomaticKind | 'NONE';
  /** Ends a sentence that begins with "Recognised by"; empty for `NONE`. */
  evidence: string;
  /** The organization that the mail says it was sent by, see {@link OWN_MAIL_HEADER}. */
  sentBy: string | null;
  /** Given where only a subject tells the answers of robots from mail that is wanted: it must answer something here. */
  isGuess?: true;
}

/** Who we are. */
export interface OwnSenders {
  organizationId: string;
  /** The addresses of our mailboxes, in lower case. */
  addresses: ReadonlySet<string>;
}

type Found = Pick<MachineFinding, 'kind' | 'evidence' | 'isGuess'> | null;

/** The kind of a mail, as far as the mail itself tells. {@link withOwnSenders} adds who we are. Never throws. */
export function classifyMachineMail(mail: MachineMail): MachineFinding {
  const headers = new Headers(mail.headers);
  const found =
    byMessageClass(mail.messageClass) ??
    byReport(mail, headers) ??
    byCalendar(headers) ??
    byAutoReply(mail, headers) ??
    byList(headers) ??
    byGenerated(mail, headers);
  const sentBy = headers.first(OWN_MAIL_HEADER.toLowerCase())?.trim() ?? null;
  return { ...(found ?? { kind: 'NONE', evidence: '' }), sentBy };
}

/**
 * Recognises our own mail: what Deskgraph sent comes back, or somebody wrote with one of our mailboxes. A robot that writes
 * or answers from one of our mailboxes stays a robot, and another Deskgraph that uses it is one: two that told each other
 * of everything would never end.
 */
export function withOwnSenders(
  finding: MachineFinding,
  senderAddress: string | null,
  { organizationId, addresses }: OwnSenders,
): MachineFinding {
  if (finding.sentBy === organizationId) {
    return { ...finding, kind: 'OWN_MAIL', evidence: `its header ${OWN_MAIL_HEADER}: Deskgraph sent it` };
  }
  const isOpen = finding.kind === 'NONE' || finding.kind === 'LIST_MAIL';
  if (!isOpen || senderAddress === null || !addresses.has(senderAddress)) return finding;
  if (finding.sentBy !== null) {
    const evidence = `its header ${OWN_MAIL_HEADER}: Deskgraph sent it for another organization, from one of your own mailboxes`;
    return { ...finding, kind: 'AUTO_GENERATED', evidence };
  }
  return { ...finding, kind: 'OWN_MAIL', evidence: `its sender ${senderAddress}, one of your own mailboxes` };
}

/** What is found of a mail whose Message-ID is one that we sent, from an address of ours. */
export function sentFromHere(organizationId: string): MachineFinding {
  return {
    kind: 'OWN_MAIL',
    evidence: 'its Message-ID and its sender: Deskgraph sent it',
    sentBy: organizationId,
  };
}

/** MS-OXCMSG, MS-OXORMDR, MS-OXOCAL: in `REPORT.IPM.Note.NDR` the middle is the class of the mail reported about. */
function byMessageClass(messageClass: string | null): Found {
  if (messageClass === null) return null;
  const kind = MESSAGE_CLASSES.find(([pattern]) => pattern.test(messageClass))?.[1];
  return kind === undefined ? null : { kind, evidence: `Exchange's message class ${messageClass}` };
}

const MESSAGE_CLASSES: readonly (readonly [RegExp, AutomaticKind])[] = [
  [/^REPORT\..*\.(NDR|Delayed\.DR|Delayed)$/i, 'BOUNCE'],
  [/^REPORT\..*\.(DR|IPNRN|IPNNRN|Expanded\.DR|Relayed\.DR)$/i, 'READ_RECEIPT'],
  [/^IPM\.Note\.Rules\.(External)?OofTemplate\./i, 'OUT_OF_OFFICE'],
  [/^IPM\.Note\.Rules\.ReplyTemplate\./i, 'AUTO_REPLY'],
  [/^IPM\.Schedule\.Meeting\.Resp(\.|$)/i, 'CALENDAR_RESPONSE'],
];

/** Reports about mail that was sent: RFC 3462 and 3464 (delivery), RFC 8098 (reading), and who writes them otherwise. */
function byReport({ senderAddress, subject }: MachineMail, headers: Headers): Found {
  const contentType = headers.first('content-type') ?? '';
  if (/multipart\/report/i.test(contentType)) {
    if (/report-type\s*=\s*"?disposition-notification/i.test(contentType)) {
      return { kind: 'READ_RECEIPT', evidence: 'its Content-Type: a disposition notification' };
    }
    if (/report-type\s*=\s*"?(global-)?delivery-status/i.test(contentType)) {
      const evidence = 'its Content-Type: a delivery status report';
      return { kind: SUCCESS_SUBJECT.test(subject) ? 'READ_RECEIPT' : 'BOUNCE', evidence };
    }
  }
  if (headers.has('x-ms-exchange-message-is-ndr')) {
    return { kind: 'BOUNCE', evidence: 'its header X-MS-Exchange-Message-Is-Ndr' };
  }
  if (headers.has('x-failed-recipients')) {
    return { kind: 'BOUNCE', evidence: 'its header X-Failed-Recipients' };
  }
  if (senderAddress === null || !POSTMASTER.test(senderAddress)) return null;
  // A person may read and write as postmaster: a second sign is needed.
  const sign = isNullReturnPath(headers)
    ? 'its empty Return-Path'
    : autoSubmitted(headers) !== null
      ? 'its header Auto-Submitted'
      : BOUNCE_SUBJECT.test(subject)
        ? 'its subject'
        : null;
  if (sign === null) return null;
  const kind = SUCCESS_SUBJECT.test(subject) ? 'READ_RECEIPT' : 'BOUNCE';
  return { kind, evidence: `its sender ${senderAddress} and ${sign}` };
}

const POSTMASTER = /^(mailer-daemon|postmaster|mail-daemon|microsoftexchange[0-9a-f]{32})@/i;
const BOUNCE_SUBJECT =
  /^\s*(undeliver|unzustellbar|delivery (status|failure|has failed)|mail delivery (failed|system)|returned mail|failure notice|non remis|no se puede entregar|non recapitabile|onbestelbaar|niet-bezorgbaar)/iu;
const SUCCESS_SUBJECT =
  /^\s*(delivered|relayed|zugestellt|übermittelt|weitergeleitet|remis|entregado|successful mail delivery)\b/iu;

/** RFC 5546: an answer to an invitation is `METHOD:REPLY`. Outlook's answers are known by their message class. */
function byCalendar(headers: Headers): Found {
  return /^\s*text\/calendar\b.*\bmethod\s*=\s*"?(reply|counter|declinecounter)\b/is.test(
    headers.first('content-type') ?? '',
  )
    ? { kind: 'CALENDAR_RESPONSE', evidence: 'its Content-Type: an answer to an invitation' }
    : null;
}

/** Robots that answer a mail. Their own mail (alerts, newsletters) must not be mistaken for it: people want that. */
function byAutoReply({ subject }: MachineMail, headers: Headers): Found {
  const kind = ABSENCE_SUBJECT.test(subject) ? 'OUT_OF_OFFICE' : 'AUTO_REPLY';
  const evidence = autoReplyEvidence(headers);
  if (evidence !== null) return { kind, evidence };
  const weak = weakAutoReplyEvidence(subject, headers);
  return weak && { kind, ...weak };
}

/** What only answering robots write. */
function autoReplyEvidence(headers: Headers): string | null {
  if (autoSubmitted(headers) === 'auto-replied') return 'its header Auto-Submitted: auto-replied (RFC 3834)';
  for (const name of AUTO_REPLY_HEADERS) {
    if (headers.all(name).some(isYes)) return `its header ${name}`;
  }
  const precedence = headers.first('precedence') ?? headers.first('preference') ?? '';
  if (/^\s*auto[-_]?reply/i.test(precedence)) return 'its header Precedence: auto_reply';
  if (/^\s*reply/i.test(headers.first('x-autogenerated') ?? '')) return 'its header X-Autogenerated: Reply';
  if (/autorespond/i.test(headers.first('x-post-messageclass') ?? ''))
    return 'its header X-POST-MessageClass';
  if (headers.all('delivered-to').some((value) => /^\s*autoresponder\s*$/i.test(value))) {
    return 'its header Delivered-To: Autoresponder';
  }
  return null;
}

const AUTO_REPLY_HEADERS = [
  'x-autoreply',
  'x-auto-reply',
  'x-autoreply-from',
  'x-mail-autoreply',
  'x-autorespond',
  'x-autoresponder',
  'x-auto-respond',
  'x-vacation',
] as const;

/**
 * Exchange's out-of-office replies call themselves `auto-generated`, as alerts do. What sets them apart is that they
 * answer something and are entitled by Exchange, or that its rules agent made them. A rule that *forwards* a customer's
 * mail leaves the same marks but a forward's subject.
 *
 * Programs write the same subjects ("Absence: leave request of Anna"), and put their mails into threads of their own: where
 * a sign is missing, or the word is one that they use, it is a guess.
 */
function weakAutoReplyEvidence(
  subject: string,
  headers: Headers,
): Pick<MachineFinding, 'evidence' | 'isGuess'> | null {
  const isAutomatic =
    autoSubmitted(headers) !== null ||
    isNullReturnPath(headers) ||
    suppressed(headers) !== null ||
    BULK.test(headers.first('precedence') ?? '');
  const answers = headers.has('in-reply-to') || headers.has('references');
  const isSubject = AUTO_REPLY_SUBJECT.test(subject) && (isAutomatic || answers);
  if (isSubject || (AMBIGUOUS_SUBJECT.test(subject) && isAutomatic && answers)) {
    const second = isAutomatic ? 'headers of an automatic mail' : 'header In-Reply-To';
    const evidence = `the beginning of its subject and its ${second}`;
    return isSubject && isAutomatic && answers ? { evidence } : { evidence, isGuess: true };
  }
  const isOfRules =
    /mailbox rules agent/i.test(headers.first('x-ms-exchange-generated-message-source') ?? '') ||
    headers.has('x-ms-exchange-parent-message-id');
  if (isOfRules && isAutomatic && answers && !FORWARD_SUBJECT.test(subject)) {
    return { evidence: 'the headers of a reply by an Exchange rule' };
  }
  return null;
}

const ABSENCE_SUBJECT =
  /out[- ]of[- ](the[- ])?office|automatic reply|vacation|holiday|abwesen|automatische antwort|absence|ausencia|assenza|afwezig|réponse automatique|respuesta automática|risposta automatica|automatisch antwoord|resposta automática|frånvaro|fravær|自动答复|自動回覆|自動応答|자동 회신/iu;
const AUTO_REPLY_SUBJECT =
  /^\s*(auto(matic|mated)?[- ]?(reply|response|answer)|out[- ]of[- ](the[- ])?office|on vacation|abwesenheits(notiz|benachrichtigung)|automatische antwort|réponse automatique|absence du bureau|respuesta automática|fuera de (la )?oficina|risposta automatica|fuori sede|automatisch antwoord|resposta automática|autosvar|automatiskt svar|automatisk svar|automaattinen vastaus|odpowiedź automatyczna|automatická odpověď|автоответ|автоматический ответ|otomatik yanıt|自动答复|自動回覆|自動応答|자동 회신)\s*[:：]/iu;
/** Old programs entitle their answers so; others what is about cars and leave. */
const AMBIGUOUS_SUBJECT = /^\s*(auto|absence|abwesenheit|afwezig)\s*[:：]/iu;
const FORWARD_SUBJECT = /^\s*(fwd?|wg|tr|rv|i|enc|vs|vb|doorst|转发|轉寄|転送|전달)\s*[:：]/iu;

/** RFC 2369 and 2919. Also what people write to a list or a group. */
function byList(headers: Headers): Found {
  const name = [
    'list-id',
    'list-post',
    'list-unsubscribe',
    'list-help',
    'list-subscribe',
    'mailing-list',
  ].find((header) => headers.has(header));
  if (name !== undefined) return { kind: 'LIST_MAIL', evidence: `its header ${name}` };
  return /^\s*list\b/i.test(headers.first('precedence') ?? '')
    ? { kind: 'LIST_MAIL', evidence: 'its header Precedence: list' }
    : null;
}

/** Mail that a machine wrote of its own accord: alerts, receipts of a shop, reports. Somebody wants it read. */
function byGenerated({ senderAddress }: MachineMail, headers: Headers): Found {
  const submitted = autoSubmitted(headers);
  const precedence = BULK.exec(headers.first('precedence') ?? '')?.[1];
  const suppress = suppressed(headers);
  const rule = headers.all('x-ms-exchange-inbox-rules-loop').map((value) => value.trim().toLowerCase());
  const evidence =
    submitted !== null
      ? `its header Auto-Submitted: ${submitted} (RFC 3834)`
      : precedence !== undefined
        ? `its header Precedence: ${precedence.toLowerCase()}`
        : suppress !== null
          ? `its header X-Auto-Response-Suppress: ${suppress}`
          : headers.has('x-cron-env')
            ? 'its header X-Cron-Env'
            : // With another sender an Inbox rule only passed on what a person wrote.
              senderAddress !== null && rule.includes(senderAddress)
              ? 'its header X-MS-Exchange-Inbox-Rules-Loop: a rule of its sender wrote it'
              : isNullReturnPath(headers)
                ? 'its empty Return-Path'
                : null;
  return evidence === null ? null : { kind: 'AUTO_GENERATED', evidence };
}

const BULK = /^\s*(bulk|junk)\b/i;

/** The keyword of RFC 3834, 5; null when the header is missing or says that a person sent it. */
function autoSubmitted(headers: Headers): string | null {
  const keyword = /^\s*([a-z-]+)/i.exec(headers.first('auto-submitted') ?? '')?.[1]?.toLowerCase();
  return keyword === undefined || keyword === 'no' ? null : keyword;
}

/** MS-OXCMAIL: which automatic answers the sender does not want; null when these are receipts and reports at most. */
function suppressed(headers: Headers): string | null {
  const value = headers.first('x-auto-response-suppress')?.trim() ?? '';
  // Programs of people ask for no receipts (`DR`, `RN`, `NRN`): that alone is no sign of a machine.
  return /\b(all|oof|autoreply)\b/i.test(value) ? value.slice(0, 60) : null;
}

/** Reports and answers have no return path (RFC 5321, 4.5.5; RFC 3834, 3.3). */
function isNullReturnPath(headers: Headers): boolean {
  return headers.all('return-path').some((value) => /^\s*<\s*>\s*$/.test(value));
}

function isYes(value: string): boolean {
  return !/^\s*(no|none|false|0)?\s*$/i.test(value);
}

/** Longer values are read no further: the expressions above must not become slow. */
const MAX_VALUE_LENGTH = 2_000;

/** Headers by name, without regard to case. */
class Headers {
  readonly #values = new Map<string, string[]>();

  constructor(headers: MachineMail['headers']) {
    for (const { name, value } of headers) {
      const key = name.toLowerCase();
      const known = this.#values.get(key) ?? [];
      known.push(value.slice(0, MAX_VALUE_LENGTH));
      this.#values.set(key, known);
    }
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  first(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }
}
