import { z } from 'zod';

/** The default of Exchange Online for a mailbox; an administrator can raise it to 150 MB. */
const USUAL_MESSAGE_BYTES = 35 * 1024 * 1024;
const MOST_MESSAGE_BYTES = 200 * 1024 * 1024;
const LONGEST_DELAY_MS = 24 * 60 * 60 * 1000;

/** How Exchange treats what a mailbox sends; each can be set for one mailbox or for all. */
export const sendingRulesSchema = z.strictObject({
  /** From the moment a mail was taken until its copy is in Sent Items. */
  sentCopyDelayMs: z.int().min(0).max(LONGEST_DELAY_MS).optional(),
  /** From the moment a mail was taken until its recipients have it. */
  deliveryDelayMs: z.int().min(0).max(LONGEST_DELAY_MS).optional(),
  /** Where the draft is meanwhile: in the Outbox, or in no folder, where it cannot be read either. */
  whileSending: z.enum(['OUTBOX', 'NOWHERE']).optional(),
  /** True: the copy in Sent Items has another immutable id than the draft had. */
  newIdAfterSend: z.boolean().optional(),
  /** True: recipients see the display name of the directory, whatever name the mail gives. */
  directoryNameWins: z.boolean().optional(),
  /** The tenant's `SendFromAliasEnabled`: without it mail from an alias is from the primary address. */
  sendFromAlias: z.boolean().optional(),
  /** `MessageCopyForSentAsEnabled` of the mailbox that mail is from: it gets a copy of what others send as it. */
  messageCopyForSentAs: z.boolean().optional(),
  /** `MessageCopyForSendOnBehalfEnabled`. */
  messageCopyForSendOnBehalf: z.boolean().optional(),
  /** True: what a person sends from this mailbox is filed in their own Sent Items instead. */
  copyGoesToSender: z.boolean().optional(),
  /** Headers that get lost on the way out, such as `Auto-Submitted`. */
  dropsHeaders: z.array(z.string().min(1).max(200)).max(50).optional(),
  /** Sliding, over one minute. */
  messagesPerMinute: z.int().min(1).max(1_000_000).optional(),
  /** Sliding, over 24 hours. */
  recipientsPerDay: z.int().min(1).max(100_000_000).optional(),
  /** Beyond a limit: wait in the Outbox (and bounce, for recipients), as Exchange does it, or 429. */
  overLimit: z.enum(['QUEUE', 'REFUSE']).optional(),
  maxMessageBytes: z.int().min(1).max(MOST_MESSAGE_BYTES).optional(),
  /** True: the mailbox is full. It sends, stores and takes nothing. */
  isFull: z.boolean().optional(),
  /** A restricted account: `REFUSED` at the call, `BOUNCED` afterwards. */
  blocked: z.enum(['NO', 'REFUSED', 'BOUNCED']).optional(),
  /** Mail to this mailbox comes back with this; `5.x.x` for good, `4.x.x` as a delay. */
  refusesMail: z
    .strictObject({
      status: z.string().regex(/^[45]\.\d{1,3}\.\d{1,3}$/),
      diagnostic: z.string().min(1).max(500),
    })
    .nullable()
    .optional(),
  /** True: upload sessions of people for a mailbox of somebody else answer 403, a known issue of Graph. */
  refusesSharedUploads: z.boolean().optional(),
  /** How long an upload session lasts. */
  uploadSessionSeconds: z.int().min(1).max(604_800).optional(),
  /** Every range of an upload but the last must be a multiple of it. */
  uploadRangeMultipleBytes: z.int().min(1).max(4_194_304).optional(),
});

/** Some of the rules. */
export type SendingRulesInput = z.infer<typeof sendingRulesSchema>;

/** All of the rules. */
export type SendingRules = {
  [Name in keyof SendingRulesInput]-?: Exclude<SendingRulesInput[Name], undefined>;
};

/** Exchange Online, as it is when no administrator has changed anything. */
export const USUAL_SENDING_RULES: Readonly<SendingRules> = {
  sentCopyDelayMs: 0,
  deliveryDelayMs: 0,
  whileSending: 'OUTBOX',
  newIdAfterSend: false,
  directoryNameWins: true,
  sendFromAlias: false,
  messageCopyForSentAs: false,
  messageCopyForSendOnBehalf: false,
  copyGoesToSender: false,
  dropsHeaders: [],
  messagesPerMinute: 30,
  recipientsPerDay: 10_000,
  overLimit: 'QUEUE',
  maxMessageBytes: USUAL_MESSAGE_BYTES,
  isFull: false,
  blocked: 'NO',
  refusesMail: null,
  refusesSharedUploads: false,
  uploadSessionSeconds: 60 * 60,
  uploadRangeMultipleBytes: 1,
};
