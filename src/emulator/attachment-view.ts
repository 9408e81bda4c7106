import type { Attachment } from '@microsoft/microsoft-graph-types';
import { graphDateTime } from './clock.ts';
import type { StoredAttachment } from './mailbox.ts';

const PROPERTIES: Readonly<Record<string, (attachment: StoredAttachment) => unknown>> = {
  lastModifiedDateTime: (attachment) => graphDateTime(attachment.lastModifiedAt),
  name: (attachment) => attachment.name,
  contentType: (attachment) => attachment.contentType,
  size: (attachment) => attachment.content.length,
  isInline: (attachment) => attachment.isInline,
};

/** Properties of the derived type `fileAttachment`. */
const FILE_PROPERTIES: Readonly<Record<string, (attachment: StoredAttachment) => unknown>> = {
  contentId: (attachment) => attachment.contentId,
  contentLocation: () => null,
  contentBytes: (attachment) => attachment.content.toString('base64'),
};

const CAST = 'microsoft.graph.fileAttachment/';

/** What an attachment may be selected by; properties of the derived type with or without the cast. */
export function isAttachmentProperty(name: string): boolean {
  const bare = name.startsWith(CAST) ? name.slice(CAST.length) : name;
  return bare === 'id' || bare in PROPERTIES || bare in FILE_PROPERTIES;
}

/** The attachment as Graph would send it; a file's bytes are in it unless `$select` leaves them out. */
export function attachmentJson(attachment: StoredAttachment, select: readonly string[] | null): Attachment {
  const wanted = select?.map((name) => (name.startsWith(CAST) ? name.slice(CAST.length) : name)) ?? null;
  const properties = attachment.kind === 'file' ? { ...PROPERTIES, ...FILE_PROPERTIES } : PROPERTIES;
  const json: Attachment & Record<string, unknown> = {
    '@odata.type': `#microsoft.graph.${attachment.kind}Attachment`,
    id: attachment.id,
  };
  if (attachment.kind === 'file') json['@odata.mediaContentType'] = attachment.contentType;
  for (const [name, property] of Object.entries(properties)) {
    if (wanted === null || wanted.includes(name)) json[name] = property(attachment);
  }
  return json;
}
