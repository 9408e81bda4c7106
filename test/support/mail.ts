import { control } from './app.ts';

/** A mail to post into an emulator's mailbox. */
export interface TestMail {
  to: string;
  from?: string;
  subject: string;
  text?: string;
  html?: string;
  inReplyTo?: string;
  messageId?: string;
  receivedDateTime?: string;
  /** Well-known name or id; the Inbox when left out. */
  folder?: string;
  attachments?: {
    name: string;
    contentType?: string;
    contentBytes: string;
    isInline?: boolean;
    contentId?: string;
    kind?: 'file' | 'reference';
  }[];
}

/** What the emulator says of a mail that it has delivered. */
export interface DeliveredMail {
  id: string;
  immutableId: string;
  internetMessageId: string;
}

/** A folder of an emulator's mailbox. */
export interface EmulatorFolder {
  displayName: string;
  messages: { subject: string; immutableId: string }[];
}

/** Delivers one mail. */
export async function deliver(emulatorUrl: string, mail: TestMail): Promise<DeliveredMail> {
  const [delivered] = await deliverMany(emulatorUrl, [mail]);
  if (!delivered) throw new Error('Nothing was delivered.');
  return delivered;
}

/** Delivers many mails at once. */
export function deliverMany(emulatorUrl: string, mails: readonly TestMail[]): Promise<DeliveredMail[]> {
  return control<DeliveredMail[]>(
    emulatorUrl,
    'mail',
    mails.map((mail) => ({ from: 'Carol Customer <carol@fabrikam.example>', text: 'Hello', ...mail })),
  );
}

/** The folders of a mailbox with the subjects in them. */
export async function foldersOf(emulatorUrl: string, address: string): Promise<Map<string, string[]>> {
  const { folders } = await control<{ folders: EmulatorFolder[] }>(emulatorUrl, `mailboxes/${address}`);
  return new Map(
    folders.map(({ displayName, messages }) => [displayName, messages.map(({ subject }) => subject)]),
  );
}
