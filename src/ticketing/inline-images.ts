import type { LinkSigner } from '../platform/link-signing.ts';
import type { Attachment } from './attachment.entity.ts';

/** Types that a browser shows and that cannot hold scripts: SVG can. */
export type ImageType = 'image/png' | 'image/jpeg' | 'image/gif' | 'image/webp';

const IMAGE_TYPES: ReadonlySet<string> = new Set<ImageType>([
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
]);

/** Bytes that {@link imageTypeOf} looks at. */
export const IMAGE_HEAD_BYTES = 12;

/** What the bytes are, whatever the mail calls them; null when they are no image of these types. */
export function imageTypeOf(head: Uint8Array): ImageType | null {
  const text = Buffer.from(head.subarray(0, IMAGE_HEAD_BYTES)).toString('latin1');
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (text.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (text.startsWith('GIF87a') || text.startsWith('GIF89a')) return 'image/gif';
  return text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP' ? 'image/webp' : null;
}

/** An image that the HTML of a message names by `cid:`. */
export interface InlineImage {
  contentId: string;
  /** The path and query of an address that shows it to whoever has it, until `expiresAt`. */
  path: string;
  expiresAt: Date;
  attachment: Attachment;
}

/** The images of a message that can be shown. `globalIdOf` gives the id that the route knows an attachment by. */
export function inlineImagesOf(
  attachments: readonly Attachment[],
  organizationId: string,
  globalIdOf: (attachmentId: string) => string,
  links: LinkSigner,
  now: Date,
): InlineImage[] {
  return attachments.flatMap((attachment) => {
    const { id, contentId, contentType, detectedContentType, state } = attachment;
    if (contentId == null || state !== 'STORED') return [];
    // What was stored before contents were looked at has the mail's word only; the route looks at the bytes in any case.
    if (!IMAGE_TYPES.has(detectedContentType ?? contentType)) return [];
    const { expiresAt, signature } = links.sign(inlineImageSubject(organizationId, id), now);
    const query = new URLSearchParams({
      organization: organizationId,
      expires: String(expiresAt.getTime()),
      signature,
    });
    return [{ contentId, path: `/inline-images/${globalIdOf(id)}?${query}`, expiresAt, attachment }];
  });
}

/** What the signature of an inline image stands for. */
export function inlineImageSubject(organizationId: string, attachmentId: string): string {
  return `inline-image ${organizationId} ${attachmentId}`;
}
