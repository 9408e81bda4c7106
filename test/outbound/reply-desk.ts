import type { Desk, TestApp } from '../support/app.ts';
import { graphqlRequest } from '../support/app.ts';
import { deliver, type TestMail } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

/** What `replyToTicket` answers, as far as tests look at it. */
export interface Replied {
  __typename: string;
  code?: string;
  message?: { id: string } & string;
  outboundMessage?: { id: string; state: string };
  ticket?: { id: string; status: string; number: number };
  addedRecipients?: { correspondent: { emailAddress: string }; reason: string }[];
  droppedRecipients?: { correspondent: { emailAddress: string }; reason: string }[];
  warnings?: { kind: string }[];
}

/** A reply through the API. */
export async function reply(url: string, apiKey: string, input: Record<string, unknown>): Promise<Replied> {
  const { replyToTicket } = await graphqlRequest<{ replyToTicket: Replied }>(
    url,
    apiKey,
    `mutation ($input: ReplyToTicketInput!) { replyToTicket(input: $input) { __typename
       ... on ReplyToTicketPayload {
         message { id } outboundMessage { id state } ticket { id status number }
         addedRecipients { correspondent { emailAddress } reason }
         droppedRecipients { correspondent { emailAddress } reason }
         warnings { kind } }
       ... on Error { code } } }`,
    { input },
  );
  return replyToTicket;
}

/** Uploads a file for a reply. Gives the upload's id. */
export async function upload(
  url: string,
  apiKey: string,
  content: Uint8Array<ArrayBuffer>,
  { name = 'file.bin', contentType = 'application/octet-stream' } = {},
): Promise<string> {
  const { createUpload } = await graphqlRequest<{
    createUpload: { upload: { id: string }; uploadUrl: string };
  }>(
    url,
    apiKey,
    `mutation ($input: CreateUploadInput!) { createUpload(input: $input) {
       ... on CreateUploadPayload { upload { id } uploadUrl } } }`,
    { input: { name, contentType, sizeBytes: content.length } },
  );
  const response = await fetch(`${url}${new URL(createUpload.uploadUrl).pathname}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${apiKey}` },
    body: content,
  });
  if (!response.ok) throw new Error(`The upload was refused: ${response.status} ${await response.text()}`);
  return createUpload.upload.id;
}

/** A ticket that a mail opened. */
export interface OpenedTicket {
  id: string;
  number: number;
  messageId: string;
  internetMessageId: string;
}

/** Delivers a mail and gives the ticket that it opens. */
export async function openTicket(
  app: Pick<TestApp, 'emulator'>,
  desk: Desk,
  mailboxId: string,
  mail: TestMail,
): Promise<OpenedTicket> {
  const { internetMessageId } = await deliver(app.emulator.url, mail);
  await desk.sync(mailboxId);
  return await eventually('the ticket is there', async () => {
    const { tickets } = await desk.request<{
      tickets: {
        edges: {
          node: {
            id: string;
            number: number;
            messages: { edges: { node: { id: string; internetMessageId: string } }[] };
          };
        }[];
      };
    }>(
      '{ tickets(first: 20) { edges { node { id number messages { edges { node { id internetMessageId } } } } } } }',
    );
    for (const { node } of tickets.edges) {
      const message = node.messages.edges.find((edge) => edge.node.internetMessageId === internetMessageId);
      if (message) return { id: node.id, number: node.number, messageId: message.node.id, internetMessageId };
    }
    return false;
  });
}
