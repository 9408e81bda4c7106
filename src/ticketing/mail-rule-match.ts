import { domainToASCII } from 'node:url';
import type { PreparedMail } from './prepare-mail.ts';

/** What of a mail a condition looks at. */
export const MAIL_RULE_FIELDS = [
  'SENDER',
  'RECIPIENT',
  'SUBJECT',
  'HEADER',
  'BODY',
  'SIZE',
  'HAS_ATTACHMENT',
] as const;
export type MailRuleField = (typeof MAIL_RULE_FIELDS)[number];

/** How a condition looks at it. */
export const MAIL_RULE_OPERATORS = [
  'CONTAINS',
  'EQUALS',
  'STARTS_WITH',
  'ENDS_WITH',
  'MATCHES',
  'IN_DOMAIN',
  'PRESENT',
  'OVER',
  'UNDER',
] as const;
export type MailRuleOperator = (typeof MAIL_RULE_OPERATORS)[number];

/** One question about a mail. Which operators go with which fields: see mail-rule-input.ts. */
export interface MailRuleCondition {
  field: MailRuleField;
  operator: MailRuleOperator;
  /** What text is compared with; null for the operators that compare none. */
  value: string | null;
  /** Of which header, for `HEADER`; null for the others. */
  headerName: string | null;
  /** For `OVER` and `UNDER`; null for the others. */
  bytes: number | null;
  /** Whether it holds where it otherwise would not. */
  negated: boolean;
}

/** What conditions can ask of a mail: of a real one, or of a made-up one that rules are tried with. */
export interface MailFacts {
  /** In lower case; null when the mail names none. */
  senderAddress: string | null;
  /** Everybody in To and Cc, in lower case. */
  recipientAddresses: readonly string[];
  subject: string;
  headers: readonly { name: string; value: string }[];
  /** The whole text, quotes included. */
  text: string;
  /** Of headers and body: Microsoft does not tell the size of attachments with the mail. */
  sizeBytes: number;
  /** Other than images that are shown within the text. */
  hasAttachments: boolean;
}

/**
 * As many characters of a text are looked at. Looking for 200 characters in them costs at most a fifth of a millisecond
 * whatever both are, so that the most conditions that an organization may have end in less than half a second.
 */
export const MAX_RULE_TEXT_LENGTH = 20_000;
/** Headers of one name that are looked at. */
const MAX_HEADERS_OF_A_NAME = 20;

/** What conditions can ask of this mail. */
export function factsOf(mail: PreparedMail): MailFacts {
  return {
    senderAddress: mail.thread.senderAddress,
    recipientAddresses: [...mail.to, ...mail.cc].map(({ emailAddress }) => emailAddress),
    subject: mail.thread.subject,
    headers: mail.headers,
    text: mail.bodies.text,
    sizeBytes: mail.sizeBytes,
    hasAttachments: mail.hasAttachments,
  };
}

/** Answers conditions about one mail, and reads each of its texts once for all of them. */
export class MailReading {
  readonly #facts: MailFacts;
  readonly #texts = new Map<string, readonly string[]>();

  constructor(facts: MailFacts) {
    this.#facts = facts;
  }

  /** Whether the condition holds. A field with several values (recipients) satisfies it with one of them. */
  holds(condition: MailRuleCondition): boolean {
    return this.#isSo(condition) !== condition.negated;
  }

  #isSo({ field, operator, value, headerName, bytes }: MailRuleCondition): boolean {
    const { sizeBytes, hasAttachments } = this.#facts;
    if (field === 'HAS_ATTACHMENT') return hasAttachments;
    if (field === 'SIZE') return operator === 'OVER' ? sizeBytes > (bytes ?? 0) : sizeBytes < (bytes ?? 0);
    const texts = this.#textsOf(field, headerName ?? '');
    if (operator === 'PRESENT') return texts.length > 0;
    const wanted = value ?? '';
    if (operator === 'IN_DOMAIN') return texts.some((address) => isInDomain(address, wanted));
    const folded = fold(wanted);
    return texts.some((text) => compare(text, operator, folded));
  }

  #textsOf(field: MailRuleField, headerName: string): readonly string[] {
    const name = headerName.toLowerCase();
    const key = `${field} ${name}`;
    const known = this.#texts.get(key);
    if (known !== undefined) return known;
    const read = this.#rawTextsOf(field, name).map(fold);
    this.#texts.set(key, read);
    return read;
  }

  #rawTextsOf(field: MailRuleField, headerName: string): readonly string[] {
    const { senderAddress, recipientAddresses, subject, text, headers } = this.#facts;
    switch (field) {
      case 'SENDER':
        return senderAddress === null ? [] : [senderAddress];
      case 'RECIPIENT':
        return recipientAddresses;
      case 'SUBJECT':
        return [subject];
      case 'BODY':
        return [text];
      case 'HEADER':
        return headers
          .filter(({ name }) => name.toLowerCase() === headerName)
          .slice(0, MAX_HEADERS_OF_A_NAME)
          .map(({ value }) => value);
      default:
        return [];
    }
  }
}

/** Upper and lower case, the widths of letters and kinds of white space make no difference. */
function fold(text: string): string {
  return text
    .slice(0, MAX_RULE_TEXT_LENGTH)
    .normalize('NFKC')
    .toLowerCase()
    .slice(0, MAX_RULE_TEXT_LENGTH) // a ligature unfolds to as many as 18 characters
    .replace(/\s+/g, ' ')
    .trim();
}

function compare(text: string, operator: MailRuleOperator, wanted: string): boolean {
  switch (operator) {
    case 'CONTAINS':
      return text.includes(wanted);
    case 'EQUALS':
      return text === wanted;
    case 'STARTS_WITH':
      return text.startsWith(wanted);
    case 'ENDS_WITH':
      return text.endsWith(wanted);
    case 'MATCHES':
      return matchesPattern(text, wanted);
    default:
      return false;
  }
}

/**
 * Whether the whole text is as the pattern says, in which `*` stands for anything, or nothing. Each part is taken where
 * it first occurs after the one before, which is right for `*` alone and never goes back: the time is that of one search.
 */
export function matchesPattern(text: string, pattern: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return text === first;
  const end = text.length - last.length;
  if (!text.startsWith(first) || end < first.length || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** The domain itself and those below it, however they are written (IDNA). An address that is none is in no domain. */
function isInDomain(address: string, domain: string): boolean {
  const actual = domainToASCII(address.slice(address.lastIndexOf('@') + 1));
  const wanted = domainOfRule(domain);
  return wanted !== '' && (actual === wanted || actual.endsWith(`.${wanted}`));
}

/** The domain that a rule names, with or without its `@`, in ASCII; empty when it is none. */
export function domainOfRule(value: string): string {
  return domainToASCII(value.trim().replace(/^@/, ''));
}
