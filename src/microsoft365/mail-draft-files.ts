/* The files of a draft. */
import { z } from 'zod';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { messagePath, parse } from './mail-copies.ts';
import { ATTACHMENT_PROPERTIES } from './mail-reading.ts';
import type { DraftFile } from './mail-sending.ts';

/** Exchange itself allows 250. */
const MOST_FILES = 500;

const page = z.object({
  value: z.array(
    z.object({ id: z.string().min(1), name: z.string().nullish(), contentId: z.string().nullish() }),
  ),
  '@odata.nextLink': z.string().nullish(),
});

/** See `MailSending.listDraftFiles`. https://learn.microsoft.com/graph/api/message-list-attachments */
export async function listDraftFiles(
  client: GraphClient,
  scope: GraphScope,
  graphMessageId: string,
): Promise<DraftFile[]> {
  const files: DraftFile[] = [];
  const seen = new Set<string>();
  let target: string | null =
    `${messagePath(scope, graphMessageId)}/attachments?$select=${ATTACHMENT_PROPERTIES.join(',')}`;
  while (target !== null && !seen.has(target) && files.length < MOST_FILES) {
    seen.add(target);
    const json = await client.json(
      { operation: 'attachment.list', method: 'GET', target, subject: 'ITEM' },
      scope,
    );
    const { value, '@odata.nextLink': next } = parse(page, json);
    for (const { id, name, contentId } of value) {
      // Exchange may give it back with the angle brackets of the header.
      const bare = contentId?.replace(/^<|>$/g, '') || null;
      files.push({ graphAttachmentId: id, name: name ?? '', contentId: bare });
    }
    target = next ?? null;
  }
  return files.slice(0, MOST_FILES);
}
