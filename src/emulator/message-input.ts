import { z } from 'zod';
import { GraphFault } from './graph-fault.ts';
import { newDefaultId } from './ids.ts';
import type { MailContent } from './mail-content.ts';
import type { MailAddress, StoredAttachment } from './mailbox.ts';

const recipient = z.object({
  emailAddress: z.object({ address: z.string().min(1).max(320), name: z.string().max(1000).nullish() }),
});
const recipients = z.array(recipient).max(500);

/** An attachment as clients write it; only files have content of their own. */
export const attachmentSchema = z.looseObject({
  '@odata.type': z.string().default('#microsoft.graph.fileAttachment'),
  name: z.string().min(1).max(255),
  contentType: z.string().max(255).nullish(),
  contentBytes: z.base64().optional(),
  contentId: z.string().max(500).nullish(),
  isInline: z.boolean().nullish(),
});

/** A MAPI tag, or a name or number in a set of properties; see graph/api/resources/extended-properties-overview. */
const EXTENDED_PROPERTY_ID =
  /^(?:String|Integer|Long|Short|Boolean|Float|Double|Currency|SystemTime|Binary|CLSID|ApplicationTime) (?:0x[0-9a-f]{1,4}|\{[0-9a-f-]{36}\} (?:Name .{1,127}|Id 0x[0-9a-f]{1,8}))$/i;

/** A `microsoft.graph.message` as clients write it; what Graph ignores is ignored. */
export const messageSchema = z.looseObject({
  subject: z.string().max(255).nullish(),
  body: z
    .object({
      contentType: z
        .string()
        .toLowerCase()
        .pipe(z.enum(['text', 'html']))
        .default('text'),
      content: z.string(),
    })
    .optional(),
  from: recipient.nullish(),
  sender: recipient.nullish(),
  toRecipients: recipients.optional(),
  ccRecipients: recipients.optional(),
  bccRecipients: recipients.optional(),
  replyTo: recipients.optional(),
  importance: z.enum(['low', 'normal', 'high']).optional(),
  inferenceClassification: z.enum(['focused', 'other']).optional(),
  isRead: z.boolean().optional(),
  isDeliveryReceiptRequested: z.boolean().nullish(),
  isReadReceiptRequested: z.boolean().nullish(),
  categories: z.array(z.string().max(255)).max(100).optional(),
  flag: z
    .object({ flagStatus: z.enum(['notFlagged', 'complete', 'flagged']) })
    .loose()
    .optional(),
  internetMessageHeaders: z.array(z.object({ name: z.string(), value: z.string() })).optional(),
  singleValueExtendedProperties: z
    .array(z.object({ id: z.string().regex(EXTENDED_PROPERTY_ID), value: z.string() }))
    .max(50)
    .optional(),
  attachments: z.array(attachmentSchema).max(100).optional(),
});

/** A message as a client wrote it, checked. */
export type MessageInput = z.infer<typeof messageSchema>;

/** More custom headers than this Exchange refuses. */
const MOST_CUSTOM_HEADERS = 5;

/** What of a mail the input sets; what it leaves out is left out. Throws 400 for headers that are not `x-…`. */
export function mailFromInput(input: MessageInput, now: number): Partial<MailContent> {
  const mail: Partial<MailContent> = {};
  if (input.subject !== undefined) mail.subject = input.subject ?? '';
  if (input.body !== undefined) mail.body = input.body;
  if (input.from != null) mail.from = addressOf(input.from);
  if (input.sender != null) mail.sender = addressOf(input.sender);
  if (input.toRecipients !== undefined) mail.to = input.toRecipients.map(addressOf);
  if (input.ccRecipients !== undefined) mail.cc = input.ccRecipients.map(addressOf);
  if (input.bccRecipients !== undefined) mail.bcc = input.bccRecipients.map(addressOf);
  if (input.replyTo !== undefined) mail.replyTo = input.replyTo.map(addressOf);
  if (input.importance !== undefined) mail.importance = input.importance;
  if (input.inferenceClassification !== undefined)
    mail.inferenceClassification = input.inferenceClassification;
  if (input.isRead !== undefined) mail.isRead = input.isRead;
  if (input.isDeliveryReceiptRequested != null)
    mail.isDeliveryReceiptRequested = input.isDeliveryReceiptRequested;
  if (input.isReadReceiptRequested != null) mail.isReadReceiptRequested = input.isReadReceiptRequested;
  if (input.categories !== undefined) mail.categories = input.categories;
  if (input.flag !== undefined) mail.flag = { flagStatus: input.flag.flagStatus };
  if (input.internetMessageHeaders !== undefined) mail.headers = customHeaders(input.internetMessageHeaders);
  if (input.attachments !== undefined)
    mail.attachments = input.attachments.map((file) => fileFromInput(file, now));
  if (input.singleValueExtendedProperties !== undefined) {
    mail.extendedProperties = new Map(
      input.singleValueExtendedProperties.map(({ id, value }) => [id, value]),
    );
  }
  return mail;
}

/** An attachment as it is kept. Throws 400 for kinds the emulator does not take. */
export function fileFromInput(input: z.infer<typeof attachmentSchema>, now: number): StoredAttachment {
  const isReference = input['@odata.type'].endsWith('referenceAttachment');
  if (!isReference && !input['@odata.type'].endsWith('fileAttachment')) {
    throw new GraphFault(400, 'ErrorInvalidRequest', `The emulator does not take a ${input['@odata.type']}.`);
  }
  return {
    id: newDefaultId(),
    kind: isReference ? 'reference' : 'file',
    name: input.name,
    contentType: isReference ? null : (input.contentType ?? 'application/octet-stream'),
    isInline: input.isInline ?? false,
    contentId: input.contentId ?? null,
    content: Buffer.from(input.contentBytes ?? '', 'base64'),
    lastModifiedAt: now,
  };
}

function customHeaders(headers: readonly { name: string; value: string }[]): MailContent['headers'] {
  if (headers.some(({ name }) => !/^x-/i.test(name))) {
    throw new GraphFault(
      400,
      'InvalidInternetMessageHeader',
      "The internet message header name must start with 'x-' or 'X-'.",
    );
  }
  if (headers.length > MOST_CUSTOM_HEADERS) {
    throw new GraphFault(
      400,
      'InvalidInternetMessageHeaderCollection',
      'Maximum number of headers in one message should be less than or equal to 5.',
    );
  }
  return headers.map(({ name, value }) => ({ name, value }));
}

function addressOf({ emailAddress }: z.infer<typeof recipient>): MailAddress {
  return { name: emailAddress.name ?? emailAddress.address, address: emailAddress.address };
}
