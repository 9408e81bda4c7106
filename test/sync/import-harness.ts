import type { Desk, TestApp } from '../support/app.ts';
import { type DeliveredMail, deliverMany, type TestMail } from '../support/mail.ts';
import { eventually } from '../support/wait.ts';

/** An import as its owner sees it. */
export interface ImportFigures {
  id: string;
  state: string;
  seen: number;
  estimated: number | null;
  created: number;
  appended: number;
  ignored: number;
  failed: number;
  problem: { code: string; remedy: string } | null;
  resumesAt: string | null;
}

const FIELDS = 'id state seen estimated created appended ignored failed problem { code remedy } resumesAt';

/** An RFC 3339 time so many days ago, in whole seconds as Exchange has them. */
export function daysAgo(days: number, minutes = 0): string {
  return `${new Date(Date.now() - days * 86_400_000 + minutes * 60_000).toISOString().slice(0, 19)}Z`;
}

/** Requests for the pages of an import behind its first one, which lists from the beginning of time on. */
export const LATER_PAGES = /^(?!.*%20ge%201970-).*orderby/;

/** Delivers mails that lie in the Inbox before anything is enabled. */
export function leave(
  app: TestApp,
  address: string,
  mails: readonly (Partial<TestMail> & { subject: string; receivedDateTime: string })[],
): Promise<DeliveredMail[]> {
  return deliverMany(
    app.emulator.url,
    mails.map((mail) => ({ to: address, ...mail })),
  );
}

type Answer = { mailImport?: ImportFigures; code?: string };

/** Calls one of the mutations about imports. */
export async function callImport(
  { request }: Pick<Desk, 'request'>,
  name: 'importExistingMail' | 'cancelImport' | 'resumeImport',
  input: Record<string, unknown>,
): Promise<Answer> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  const answer = await request<Record<string, Answer>>(
    `mutation ($input: ${type}Input!) { ${name}(input: $input) {
       ... on ${type}Payload { mailImport { ${FIELDS} } } ... on Error { code } } }`,
    { input },
  );
  return answer[name] ?? {};
}

/** Asks for an import and gives its id. */
export async function askToImport(desk: Desk, input: Record<string, unknown>): Promise<string> {
  const { mailImport, code } = await callImport(desk, 'importExistingMail', input);
  if (!mailImport) throw new Error(code);
  return mailImport.id;
}

export async function importOf({ request }: Pick<Desk, 'request'>, id: string): Promise<ImportFigures> {
  const { node } = await request<{ node: ImportFigures }>(
    `query ($id: ID!) { node(id: $id) { ... on MailImport { ${FIELDS} } } }`,
    { id },
  );
  return node;
}

/** The newest import of a mailbox. */
export async function lastImportOf(desk: Desk, mailboxId: string): Promise<ImportFigures | null> {
  const { node } = await desk.request<{ node: { lastImport: ImportFigures | null } }>(
    `query ($id: ID!) { node(id: $id) { ... on Mailbox { lastImport { ${FIELDS} } } } }`,
    { id: mailboxId },
  );
  return node.lastImport;
}

/** Waits until an import stands as told; fails when it ends otherwise. */
export function importReaches(
  desk: Pick<Desk, 'request'>,
  id: string,
  state: string,
): Promise<ImportFigures> {
  return eventually(`the import is ${state}`, async () => {
    const figures = await importOf(desk, id);
    if (figures.state === state) return figures;
    if (['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(figures.state)) {
      throw new Error(`It is ${figures.state}: ${JSON.stringify(figures)}`);
    }
    return false;
  });
}

/** A ticket as imports are concerned. */
export interface ImportedTicket {
  subject: string;
  status: string;
  isImported: boolean;
  createdAt: string;
  lastMessageAt: string;
  closedAt: string | null;
  messages: string[];
}

/** The tickets of a mailbox in the order of their numbers, with the subjects of their messages. */
export async function ticketsOf({ request }: Desk, mailboxId: string): Promise<ImportedTicket[]> {
  const { tickets } = await request<{
    tickets: {
      edges: {
        node: Omit<ImportedTicket, 'messages'> & { messages: { edges: { node: { subject: string } }[] } };
      }[];
    };
  }>(
    `query ($mailboxId: ID!) {
       tickets(first: 100, filter: { mailboxId: $mailboxId }, orderBy: { field: NUMBER, direction: ASC }) { edges { node {
         subject status isImported createdAt lastMessageAt closedAt
         messages(first: 20) { edges { node { subject } } } } } } }`,
    { mailboxId },
  );
  return tickets.edges.map(({ node }) => ({
    ...node,
    messages: node.messages.edges.map((edge) => edge.node.subject),
  }));
}
