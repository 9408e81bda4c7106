/*
 * By what copies of one mail are recognised: by Message-ID, sender and the text that people read. Not by the body as it
 * came, which Exchange writes anew for each recipient: Safe Links puts the address of the recipient into every link
 * (https://learn.microsoft.com/defender-office-365/safe-links-about), and whoever is seldom written to by the sender gets a
 * safety tip above the text (https://learn.microsoft.com/defender-office-365/anti-phishing-policies-about).
 */
import { createHash } from 'node:crypto';
import type { IncomingMail } from '../microsoft365/mail.ts';

/** What a mail is recognised by. Both are null without a Message-ID. */
export interface ContentDigests {
  /** Equal for copies of one mail, whomever they were delivered to. This one is stored. */
  contentDigest: string | null;
  /** Over the body byte by byte: what the ledger has of mail that was taken in before texts were compared. */
  formerDigest: string | null;
}

/** Computes both, in linear time. */
export function contentDigestsOf(
  { body }: Pick<IncomingMail, 'body'>,
  { internetMessageId, fromAddress }: { internetMessageId: string | null; fromAddress: string | null },
): ContentDigests {
  if (internetMessageId === null) return { contentDigest: null, formerDigest: null };
  const digest = (...parts: readonly (string | number | null)[]) =>
    createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  const formerDigest = digest(internetMessageId, fromAddress, body.content);
  const text = comparableText(body);
  // A picture alone: nothing of it can be compared but all of it.
  if (text === '') return { contentDigest: formerDigest, formerDigest };
  return { contentDigest: digest('text', internetMessageId, fromAddress, text), formerDigest };
}

/** Whether a stored digest is that of a mail, in whichever way it was computed. */
export function hasDigest({ contentDigest, formerDigest }: ContentDigests, stored: string | null): boolean {
  return stored !== null && (stored === contentDigest || stored === formerDigest);
}

/**
 * The text of a body, the same in every recipient's mailbox: without where links lead, without what Exchange puts above,
 * and without space, of which it makes more or less. Addresses written out are those that the sender wrote. Empty when
 * there is no text. Not for people; and not made by what makes texts for them, or every improvement of that would make
 * known mail new.
 */
export function comparableText({ contentType, content }: IncomingMail['body']): string {
  const text = (contentType === 'html' ? linesOfHtml(content) : content).replaceAll('\u00A0', ' ');
  return withoutTip(withoutBanner(text)).replace(ADDRESS, writtenAddress).replace(/\s+/g, '');
}

function withoutTip(text: string): string {
  if (!text.includes(SAFETY_TIP)) return text;
  const lines = text.split('\n');
  return lines.filter((line) => !line.includes(SAFETY_TIP)).join('\n');
}

/** Of the beginning only: what comes further down is the sender's. */
function withoutBanner(text: string): string {
  const lines = text.slice(0, MAX_BANNER_PLACE).split('\n');
  // The last one may go on.
  const at = lines
    .slice(0, -1)
    .findIndex((line) => line.length <= MAX_BANNER_LENGTH && EXTERNAL_BANNER.test(line));
  if (at === -1 || lines.slice(0, at).filter((line) => line.trim() !== '').length > MAX_LINES_ABOVE)
    return text;
  return lines.toSpliced(at, 1).join('\n') + text.slice(MAX_BANNER_PLACE);
}

/** Every tag ends a line of those that make blocks; all that tags say goes with them, links' addresses among it. */
function linesOfHtml(html: string): string {
  return html
    .replace(/\s+/g, ' ')
    .replace(/<[^<>]*>/g, (tag) => (tag.includes(SAFETY_TIP) ? SAFETY_TIP : BLOCK.test(tag) ? '\n' : ''))
    .replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos|nbsp));/gi, readEntity);
}

const BLOCK = /^<\/?(?:p|div|td|tr|table|br|li|ul|ol|h[1-6]|blockquote|pre|hr|body)\b/i;

/** Where the tip's own link leads, in every language: "You don't often get email from …. Learn why this is important." */
const SAFETY_TIP = 'LearnAboutSenderIdentification';

/**
 * What administrators have a mail flow rule put above the text, for some recipients or for all: "CAUTION: This email
 * originated from outside of the organization." Only at the beginning, and not longer than people write such.
 */
const EXTERNAL_BANNER =
  /^(?=.*\b(?:e-?mail|message|sender|nachricht|absender)\b)(?=.*\b(?:outside|external|externe[rnsm]?|außerhalb)\b)(?=.*\b(?:organi[sz]ation|company|unternehmens?|firma)\b)/iu;
const MAX_BANNER_LENGTH = 500;
/** How far down it is looked for: in characters, and in lines with text above it. */
const MAX_BANNER_PLACE = 2_000;
const MAX_LINES_ABOVE = 2;

const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/gi;
const SAFE_LINK =
  /^https:\/\/[a-z0-9.-]{1,100}\.safelinks\.protection\.(?:outlook\.com|office365\.us|partner\.outlook\.cn)\/[^?]*\?(?:.*&(?:amp;)?)?url=([^&]*)/i;

/** An address as the sender wrote it: Safe Links tells it, but may have written it in another way. */
function writtenAddress(address: string): string {
  const original = SAFE_LINK.exec(address)?.[1];
  const written = unescaped(original === undefined ? address : unescaped(original)).toLowerCase();
  // The full stop of a sentence, or the slash that a bare host is given. Not by an expression: it would not be linear.
  let end = written.length;
  while (end > 0 && !/[\p{L}\p{N}]/u.test(written.charAt(end - 1))) end -= 1;
  return written.slice(0, end);
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a percent sign that means itself
  }
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

function readEntity(entity: string, decimal?: string, hexadecimal?: string, name?: string): string {
  if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? entity;
  const code = decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number(decimal);
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : entity;
}
