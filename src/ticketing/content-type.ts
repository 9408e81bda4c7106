import { fileTypeFromBuffer } from 'file-type';

/**
 * Bytes that are looked at. Enough for the first entries of a ZIP, by which Office files are told apart; few enough that
 * nothing hostile can keep the reader busy.
 */
export const SNIFFED_BYTES = 16 * 1024;

/** The type of files that hold a whole mail in Outlook's own format, mostly called `winmail.dat`. */
export const TNEF = 'application/ms-tnef';

/** The type that says nothing. */
export const UNKNOWN_TYPE = 'application/octet-stream';

/** A media type becomes a response header: whatever does not look like one becomes the type of unknown bytes. */
export function mediaType(given: string): string {
  const [type = ''] = given.split(';');
  const trimmed = type.trim().toLowerCase();
  return /^[a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127}$/.test(trimmed) ? trimmed : UNKNOWN_TYPE;
}

/** Tags that make a browser take a text for HTML, as the MIME Sniffing Standard of the WHATWG lists them. */
const HTML_TAG =
  /^<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|meta|link|img|form|object|embed)[\s>/]/i;

/**
 * What the beginning of a file says that it is, whatever the mail calls it: a media type, or null when it is not known.
 * Text is not told apart, except for what a browser would run: HTML and SVG.
 */
export async function detectContentType(head: Uint8Array): Promise<string | null> {
  const bytes = head.subarray(0, SNIFFED_BYTES);
  // MS-OXTNEF 2.1.1: the signature 0x223E9F78, least significant byte first.
  if (bytes[0] === 0x78 && bytes[1] === 0x9f && bytes[2] === 0x3e && bytes[3] === 0x22) return TNEF;
  return markupTypeOf(bytes) ?? (await binaryTypeOf(bytes));
}

async function binaryTypeOf(bytes: Uint8Array): Promise<string | null> {
  try {
    const found = await fileTypeFromBuffer(bytes);
    return found?.mime.split(';')[0]?.trim().toLowerCase() ?? null;
  } catch {
    return null; // cut off in the middle of what the reader wants to see
  }
}

function markupTypeOf(bytes: Uint8Array): string | null {
  const text = afterPreamble(decode(bytes).replaceAll('\0', ''));
  if (!text.startsWith('<')) return null;
  if (HTML_TAG.test(text)) return 'text/html';
  if (/^<(?:\w{1,50}:)?svg[\s>/]/i.test(text)) return 'image/svg+xml';
  return null;
}

/** A browser looks for these marks, too. */
function decode(bytes: Uint8Array): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? 'utf-16le'
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? 'utf-16be'
        : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}

/** What comes after white space, comments, the XML declaration, and a document type that is not HTML's. */
function afterPreamble(text: string): string {
  let rest = text.trimStart();
  for (;;) {
    const end = rest.startsWith('<!--')
      ? endOf(rest, '-->')
      : rest.startsWith('<?')
        ? endOf(rest, '?>')
        : /^<!doctype(?! html)/i.test(rest)
          ? endOf(rest, /^[^>]*\[/.test(rest) ? ']>' : '>')
          : 0;
    if (end === 0) return rest;
    rest = rest.slice(end).trimStart();
  }
}

function endOf(text: string, mark: string): number {
  const start = text.indexOf(mark);
  return start < 0 ? 0 : start + mark.length;
}

/** Other names of the same, each with the one that is found. */
const ALIASES: Readonly<Record<string, string>> = {
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/x-png': 'image/png',
  'image/svg': 'image/svg+xml',
  'application/x-pdf': 'application/pdf',
  'application/vnd.ms-tnef': TNEF,
  'application/x-gzip': 'application/gzip',
  'application/x-zip-compressed': 'application/zip',
  'application/xhtml+xml': 'text/html',
};

/** What files of these names are expected to be, when the mail does not say. */
const TYPE_OF_EXTENSION: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  txt: 'text/plain',
  csv: 'text/csv',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
};

/** What runs when it is opened, in a browser or without one. */
const ACTIVE: ReadonlySet<string> = new Set([
  'text/html',
  'image/svg+xml',
  'application/x-msdownload',
  'application/x-elf',
  'application/x-mach-binary',
  'application/java-vm',
  'application/x-ms-shortcut',
  'application/vnd.microsoft.portable-executable',
]);

/** Formats that others are made of: when they are found, the declared type may well be what lies in them. */
const CONTAINERS: ReadonlySet<string> = new Set([
  'application/zip',
  'application/x-cfb',
  'application/xml',
  'application/gzip',
  'application/ogg',
  'application/pkcs7-mime',
]);

/**
 * Whether a file is something else than it is said to be, by its declared type or else by its name: an image that is a web
 * page, an invoice that is a program. Formats within formats, names of the same thing and what is not known are none.
 */
export function isContentTypeMismatch(declared: string, name: string, detected: string | null): boolean {
  if (detected === null) return false;
  const extension = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1]?.toLowerCase() ?? '';
  const expected = [ALIASES[declared] ?? declared, TYPE_OF_EXTENSION[extension]].filter(
    (type) => type !== undefined && type !== UNKNOWN_TYPE,
  );
  return expected.some((type) => type !== undefined && !mayBe(type, detected));
}

function mayBe(expected: string, detected: string): boolean {
  if (expected === detected) return true;
  if (ACTIVE.has(detected)) return false;
  const [kind] = expected.split('/');
  if (CONTAINERS.has(detected)) return kind === 'application' || kind === 'text' || kind === 'message';
  // Audio and video share their containers; of texts and other applications the detector knows only a part.
  if (kind === 'audio' || kind === 'video') return /^(?:audio|video)\//.test(detected);
  return false;
}
