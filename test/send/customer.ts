import { createHash } from 'node:crypto';
import type { Message } from '@microsoft/microsoft-graph-types';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { control } from '../support/app.ts';
import { eventually } from '../support/wait.ts';

const SELECT =
  '$select=id,subject,from,sender,toRecipients,ccRecipients,replyTo,internetMessageId,internetMessageHeaders,conversationId,body,hasAttachments&$top=100&$orderby=receivedDateTime desc';

/** A customer with a mailbox in a tenant of their own, and Outlook. */
export interface Customer {
  address: string;
  /** What lies in a folder, the newest first. */
  messages(folder?: string): Promise<Message[]>;
  /** Waits for a mail, and gives it. */
  gets(what: string, isIt: (message: Message) => boolean): Promise<Message>;
  /** Writes to somebody. */
  writes(to: string, subject: string, text: string): Promise<void>;
  /** Answers a mail of theirs, as Outlook does. */
  answers(message: Message, text: string): Promise<void>;
  /** The files of a mail: name, size and SHA-256 of the content. */
  files(message: Message): Promise<{ name: string; sizeBytes: number; sha256: string }[]>;
}

/** Makes a customer. */
export async function newCustomer(
  { url, graphUrl, loginUrl }: Pick<Emulator, 'url' | 'graphUrl' | 'loginUrl'>,
  {
    displayName = 'Carol Customer',
    address = `carol-${crypto.randomUUID().slice(0, 8)}@fabrikam.example`,
  } = {},
): Promise<Customer> {
  await control(url, 'mailboxes', { address, displayName });
  const tenant = address.slice(address.indexOf('@') + 1);
  const token = await fetch(`${loginUrl}/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: 'outlook',
      client_secret: 'any',
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  const { access_token: secret } = (await token.json()) as { access_token: string };
  const graph = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const answer = await fetch(`${graphUrl}/v1.0/users/${address}${path}`, {
      method,
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const messages = async (folder = 'inbox') => {
    const answer = await graph('GET', `/mailFolders/${folder}/messages?${SELECT}`);
    return ((await answer.json()) as { value: Message[] }).value;
  };
  return {
    address,
    messages,
    gets: (what, isIt) => eventually(what, async () => (await messages()).find(isIt) ?? false, 30_000),
    async writes(to, subject, text) {
      const message = {
        subject,
        body: { contentType: 'Text', content: text },
        toRecipients: [{ emailAddress: { address: to } }],
      };
      await graph('POST', '/sendMail', { message });
    },
    async answers({ id }, text) {
      const draft = await graph('POST', `/messages/${id}/createReply`, { comment: text });
      const { id: draftId } = (await draft.json()) as { id: string };
      await graph('POST', `/messages/${draftId}/send`);
    },
    async files({ id }) {
      const listed = await graph('GET', `/messages/${id}/attachments?$select=id,name,size`);
      const { value } = (await listed.json()) as { value: { id: string; name: string }[] };
      return Promise.all(
        value.map(async ({ id: fileId, name }) => {
          const content = await graph('GET', `/messages/${id}/attachments/${fileId}/$value`);
          const bytes = new Uint8Array(await content.arrayBuffer());
          return { name, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
        }),
      );
    },
  };
}

/** A header of a mail; null when it has none of that name. */
export function headerOf({ internetMessageHeaders }: Message, name: string): string | null {
  const sought = name.toLowerCase();
  return internetMessageHeaders?.find((header) => header.name?.toLowerCase() === sought)?.value ?? null;
}
