import { bounded, cleanLine } from './clean-text.ts';

/** Most file systems take 255 bytes; this leaves room for `(1)` and for letters of several bytes. */
const MAX_NAME_LENGTH = 120;

/** Device names that Windows opens instead of a file, with any extension. */
const RESERVED = /^(?:con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(?:\.|$)/i;

/** Characters that mean something to a file system or a shell, and those that turn the reading direction of a name. */
const UNSAFE = /[<>:"/\\|?*\p{Cc}\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/gu;

/**
 * A name under which the file may be saved on any system: no path, no control or direction-turning character (they make
 * `exe.txt` of `txt.exe`), no reserved name, bounded, and never empty. The extension survives the cutting.
 */
export function safeFileName(name: string): string {
  const line = cleanLine(name.slice(-4_000));
  const safe = line
    .slice(Math.max(line.lastIndexOf('/'), line.lastIndexOf('\\')) + 1)
    .replace(UNSAFE, '_')
    .replace(/^[\s.]+|[\s.]+$/g, '');
  if (safe === '') return 'attachment';
  const unreserved = RESERVED.test(safe) ? `_${safe}` : safe;
  if (unreserved.length <= MAX_NAME_LENGTH) return unreserved;
  const extension = /\.[^.]{1,10}$/.exec(unreserved)?.[0] ?? '';
  return (
    bounded(unreserved.slice(0, -extension.length || undefined), MAX_NAME_LENGTH - extension.length) +
    extension
  );
}

/** The name of an Outlook item as a file: a mail inside a mail is saved as `.eml`. */
export function itemFileName(name: string): string {
  const safe = safeFileName(name);
  return /\.eml$/i.test(safe) ? safe : `${safe}.eml`;
}
