import { z } from 'zod';
import type { GraphClient, GraphScope } from './graph-client.ts';
import { GraphError } from './graph-error.ts';
import { PATIENT_BUDGET } from './graph-retry.ts';
import type { MailboxAccess } from './mail.ts';
import { mailboxPath } from './mail-folders.ts';
import { makeProbe, removeProbe } from './push-probe.ts';

/** Any of these, delegated or application, lets an app read profiles of others. */
const PROFILE_PERMISSIONS: readonly string[] = ['user.readbasic.all', 'user.read.all', 'directory.read.all'];

const inboxSchema = z.object({ id: z.string().min(1) });
const profileSchema = z.object({
  id: z.string().min(1),
  displayName: z.string().nullish(),
  mail: z.string().nullish(),
});
const tipsSchema = z.object({ value: z.array(z.object({ totalMemberCount: z.number().nullish() })) });

/** Who a mailbox belongs to, as the directory has it. */
export interface MailboxProfile {
  microsoftUserId: string;
  displayName: string | null;
  /** The primary address, in lower case. */
  emailAddress: string | null;
}

/** Looks at what an account may do with a mailbox, by trying. Throws `GraphError`, or the signal's reason. */
export interface MailboxInspection {
  /** Opens the Inbox and gives its id, which is the same whoever asks and by whichever address of the mailbox. */
  readInbox(mailbox: MailboxAccess, signal: AbortSignal): Promise<string>;
  /** Null when the directory does not know it, or may not be asked with these permissions (scopes or roles). */
  readProfile(
    mailbox: MailboxAccess,
    permissions: readonly string[],
    signal: AbortSignal,
  ): Promise<MailboxProfile | null>;
  /**
   * How many people mail to the address reaches: more than one tells a group. Asked as the account's own mailbox; null
   * when Exchange does not tell. https://learn.microsoft.com/graph/api/user-getmailtips
   */
  countMembers(own: MailboxAccess, emailAddress: string, signal: AbortSignal): Promise<number | null>;
  /** Makes a draft in Drafts and removes it at once. */
  tryWriting(mailbox: MailboxAccess, signal: AbortSignal): Promise<void>;
  /** Sends a message of one sentence from the mailbox; nothing is saved in Sent Items. Asked once, never repeated. */
  trySending(mailbox: MailboxAccess, recipient: string, signal: AbortSignal): Promise<void>;
}

/** The inspection over Graph. */
export function createMailboxInspection(client: GraphClient): MailboxInspection {
  const scopeOf = (mailbox: MailboxAccess, signal: AbortSignal): GraphScope => ({
    mailbox,
    signal,
    counter: null,
  });
  return {
    readInbox: async (mailbox, signal) => {
      const target = `${mailboxPath(mailbox)}/mailFolders/inbox?$select=id`;
      const json = await client.json(
        { operation: 'mailbox.look', method: 'GET', target, subject: 'MAILBOX', budget: PATIENT_BUDGET },
        scopeOf(mailbox, signal),
      );
      return read(inboxSchema, json).id;
    },
    readProfile: async (mailbox, permissions, signal) => {
      if (!permissions.some((name) => PROFILE_PERMISSIONS.includes(name.toLowerCase()))) return null;
      const target = `${mailboxPath(mailbox)}?$select=id,displayName,mail`;
      const json = await optional(
        client.json(
          {
            operation: 'mailbox.profile',
            method: 'GET',
            target,
            subject: 'MAILBOX',
            isDirectory: true,
            budget: PATIENT_BUDGET,
          },
          scopeOf(mailbox, signal),
        ),
      );
      if (json === null) return null;
      const { id, displayName, mail } = read(profileSchema, json);
      return {
        microsoftUserId: id,
        displayName: displayName || null,
        emailAddress: mail ? mail.toLowerCase() : null,
      };
    },
    countMembers: async (own, emailAddress, signal) => {
      const json = await optional(
        client.json(
          {
            operation: 'mailbox.tips',
            method: 'POST',
            target: `${mailboxPath(own)}/getMailTips`,
            subject: 'MAILBOX',
            body: { EmailAddresses: [emailAddress], MailTipsOptions: 'totalMemberCount' },
            isRepeatable: true,
            budget: PATIENT_BUDGET,
          },
          scopeOf(own, signal),
        ),
      );
      const tips = tipsSchema.safeParse(json);
      return tips.success ? (tips.data.value[0]?.totalMemberCount ?? null) : null;
    },
    tryWriting: async (mailbox, signal) => {
      const scope = scopeOf(mailbox, signal);
      const messageId = await makeProbe(client, scope, 'drafts');
      await removeProbe(client, scope, { folderId: 'drafts', messageId });
    },
    trySending: async (mailbox, recipient, signal) => {
      await client.json(
        {
          operation: 'mailbox.send-test',
          method: 'POST',
          target: `${mailboxPath(mailbox)}/sendMail`,
          subject: 'MAILBOX',
          body: {
            message: {
              subject: `Deskgraph may send from ${mailbox.emailAddress}`,
              body: {
                contentType: 'text',
                content: `An administrator has checked whether Deskgraph may send as ${mailbox.emailAddress}. It may; there is nothing to do.`,
              },
              toRecipients: [{ emailAddress: { address: recipient } }],
            },
            saveToSentItems: false,
          },
          budget: { ...PATIENT_BUDGET, attempts: 1 },
        },
        scopeOf(mailbox, signal),
      );
    },
  };
}

/** What only helps is done without when Microsoft refuses it; what passes is thrown all the same. */
async function optional(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof GraphError && !error.isTransient) return null;
    throw error;
  }
}

function read<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new GraphError('UNEXPECTED_ANSWER', 'Microsoft Graph answered about a mailbox in an unknown form.', {
    cause: parsed.error,
  });
}
