import type { MailContent } from './mail-content.ts';
import { writeHeaders } from './mail-content.ts';

/** Named properties of this set are headers of the mail (MS-OXCMAIL, PS_INTERNET_HEADERS). */
const INTERNET_HEADERS = /^String \{00020386-0000-0000-c000-000000000046\} Name (.+)$/i;
/** `PidTagInReplyToId` and `PidTagInternetReferences` (MS-OXPROPS). */
const THREADING: Readonly<Record<string, string>> = {
  'string 0x1042': 'In-Reply-To',
  'string 0x1039': 'References',
};

/** The headers that a mail leaves with: those of its properties too, without those that get lost on the way. */
export function outgoingHeaders(mail: MailContent, lost: readonly string[]): MailContent['headers'] {
  const fromProperties = [...mail.extendedProperties].flatMap(([id, value]) => {
    const name = THREADING[id.toLowerCase()] ?? INTERNET_HEADERS.exec(id)?.[1];
    return name === undefined ? [] : [{ name, value }];
  });
  const replaced = new Set(fromProperties.map(({ name }) => name.toLowerCase()));
  const headers = [
    ...mail.headers.filter(({ name }) => !replaced.has(name?.toLowerCase() ?? '')),
    ...fromProperties,
  ];
  const dropped = new Set(lost.map((name) => name.toLowerCase()));
  return writeHeaders({ ...mail, headers }).filter(({ name }) => !dropped.has(name?.toLowerCase() ?? ''));
}
