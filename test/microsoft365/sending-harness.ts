import { randomUUID } from 'node:crypto';
import type { MailboxAccess } from '../../src/microsoft365/mail.ts';
import type { OutgoingMail } from '../../src/microsoft365/mail-sending.ts';
import type { SignInPurpose } from '../../src/microsoft365/sign-in-purpose.ts';
import type { Stage } from './harness.ts';

/** A fresh mailbox whose account may send. */
export async function sender(stage: Stage, purpose: SignInPurpose = 'SENDING'): Promise<MailboxAccess> {
  const address = `sender-${randomUUID()}@contoso.example`;
  await stage.control('POST', '/mailboxes', { address, displayName: 'Sam Sender' });
  const tenancy = await stage.tenancy();
  const account = await stage.connect(tenancy, address, { purpose });
  return {
    organizationId: tenancy.organizationId,
    accountId: account.id,
    emailAddress: address,
    kind: 'PRIMARY',
  };
}

/** A mail from the mailbox to Carol. */
export function outgoing({ organizationId, emailAddress }: MailboxAccess): OutgoingMail {
  return {
    outboundMessageId: randomUUID(),
    organizationId,
    from: { name: 'Contoso Support', emailAddress },
    replyTo: [],
    to: [{ name: 'Carol Customer', emailAddress: 'carol@fabrikam.example' }],
    cc: [],
    bcc: [],
    subject: 'About your printer',
    body: { contentType: 'html', content: '<p>Have you tried <b>switching it off</b>?</p>' },
    answersGraphMessageId: null,
    inReplyTo: null,
    references: [],
    isAutomatic: false,
  };
}

interface RawPerson {
  emailAddress: { address: string };
}
interface RawDraft {
  subject: string;
  body: { contentType: string; content: string };
  toRecipients: RawPerson[];
  ccRecipients: RawPerson[];
  replyTo: RawPerson[];
  internetMessageHeaders?: { name: string; value: string }[];
  singleValueExtendedProperties?: { id: string; value: string }[];
}

const PROPERTIES = [
  'String 0x1042',
  'String 0x1039',
  'String {00020386-0000-0000-C000-000000000046} Name Auto-Submitted',
];

/** A mail as Graph itself shows it, with the headers and properties that we give. */
export async function draftAt(stage: Stage, access: MailboxAccess, graphMessageId: string) {
  const { value: token } = await stage.microsoft365.tokens.get(access, AbortSignal.timeout(30_000));
  const read = async (query: string) => {
    const url = `${stage.emulator.graphUrl}/v1.0/me/messages/${encodeURIComponent(graphMessageId)}?${query}`;
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}`, prefer: 'IdType="ImmutableId"' },
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as RawDraft;
  };
  const draft = await read('$select=subject,body,toRecipients,ccRecipients,replyTo,internetMessageHeaders');
  const properties: Record<string, string> = {};
  for (const id of PROPERTIES) {
    const filter = encodeURIComponent(`id eq '${id}'`);
    const found = await read(`$select=id&$expand=singleValueExtendedProperties($filter=${filter})`);
    const value = found.singleValueExtendedProperties?.[0]?.value;
    if (value !== undefined) properties[id] = value;
  }
  const addresses = (people: RawPerson[]) => people.map(({ emailAddress }) => emailAddress.address);
  return {
    subject: draft.subject,
    content: draft.body.content,
    contentType: draft.body.contentType,
    to: addresses(draft.toRecipients),
    cc: addresses(draft.ccRecipients),
    replyTo: addresses(draft.replyTo),
    properties,
    headers: Object.fromEntries(
      (draft.internetMessageHeaders ?? []).map(({ name, value }) => [name.toLowerCase(), value]),
    ) as Record<string, string>,
  };
}
