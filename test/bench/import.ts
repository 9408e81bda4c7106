import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { control } from '../support/app.ts';
import { deliverMany } from '../support/mail.ts';
import { appToken, graphHeaders, SELECT } from './app-token.ts';
import type { Measurement } from './measurement.ts';
import { onStage, type Stage, secondsSince } from './stage.ts';

/** The size of the goal, and the one that its memory is compared with. */
const MESSAGES = 20_000;
const FEW_MESSAGES = 2_000;
/** One mail in so many has a file of this size. */
const MAILS_PER_FILE = 10;
const FILE_BYTES = 200 * 1024;
const DELIVERED_AT_ONCE = 500;
/** In milliseconds. */
const ASKED_EVERY = 200;
/** For a slow machine; nothing is wrong before. In milliseconds. */
const LONGEST_IMPORT = 60 * 60 * 1_000;

/** What an import was seen to do. */
interface Imported {
  seconds: number;
  floorSeconds: number;
  /** The most memory of the server process meanwhile, its database not in it. In MiB. */
  residentMebibytes: number;
  requests: number;
}

/**
 * P3: the import of a full mailbox, Graph answering in 50 ms. The floor is the same pages, fetched and thrown away. Files
 * are stored in a queue of their own, which works at the same time; the import is over when every mail is a message.
 */
export async function importMail(messages: number = MESSAGES): Promise<Measurement[]> {
  const few = Math.min(FEW_MESSAGES, Math.ceil(messages / 10));
  const small = await importOnStage(few);
  const large = await importOnStage(messages);
  return [
    {
      what: `P3 import of ${messages} messages, one in ten with a 200 KB file, Graph at 50 ms (floor: the pages fetched and thrown away)`,
      ours: large.seconds,
      floor: large.floorSeconds,
      unit: 's',
      goal: 2,
    },
    {
      what: 'P3 messages per second of an import',
      ours: messages / large.seconds,
      floor: null,
      unit: '1/s',
      goal: null,
    },
    {
      what: `P3 resident memory at ${messages} messages (floor: at ${few})`,
      ours: large.residentMebibytes,
      floor: small.residentMebibytes,
      unit: 'MiB',
      goal: 1.2,
    },
    {
      what: 'P2 Graph requests per 1,000 imported messages, without files',
      ours: (large.requests / messages) * 1_000,
      floor: null,
      unit: '',
      goal: 100,
    },
  ];
}

/** Each size on a stage of its own: memory that was once taken is seldom given back. */
function importOnStage(messages: number): Promise<Imported> {
  return onStage(async (stage) => {
    const { desk, emulatorUrl, server } = stage;
    const { mailboxId, address } = await desk.connectMailbox();
    await fill(stage, address, messages);
    await desk.enable(mailboxId);
    await control(emulatorUrl, 'settings', { latencyMs: 50 });
    const floorSeconds = await fetchAndThrowAway(emulatorUrl, address);
    using memory = watchMemory(server.child.pid ?? 0);
    const startedAt = performance.now();
    const { importExistingMail } = await desk.request<{
      importExistingMail: { mailImport?: { id: string }; message?: string };
    }>(
      `mutation ($id: ID!) { importExistingMail(input: { mailboxId: $id, mode: ARCHIVE }) {
         ... on ImportExistingMailPayload { mailImport { id } } ... on Error { message } } }`,
      { id: mailboxId },
    );
    const { mailImport, message } = importExistingMail;
    if (!mailImport) throw new Error(message);
    const { created, requests } = await importEnds(stage, mailImport.id);
    const seconds = secondsSince(startedAt);
    if (created !== messages) throw new Error(`${created} tickets of ${messages} messages.`);
    return { seconds, floorSeconds, residentMebibytes: memory.most(), requests };
  });
}

/** Asks seldom: what asks takes the processor from what is measured. */
async function importEnds({ desk }: Stage, id: string): Promise<{ created: number; requests: number }> {
  for (const startedAt = performance.now(); ; await delay(ASKED_EVERY)) {
    const { node } = await desk.request<{
      node: { state: string; created: number; requests: number; problem: { message: string } | null };
    }>(
      `query ($id: ID!) { node(id: $id) { ... on MailImport { state created requests problem { message } } } }`,
      { id },
    );
    if (node.state === 'SUCCEEDED') return node;
    if (node.state === 'FAILED' || performance.now() - startedAt > LONGEST_IMPORT) {
      throw new Error(`The import is ${node.state}: ${node.problem?.message}`);
    }
  }
}

/** Mails of the last months, a minute apart. */
async function fill({ emulatorUrl }: Stage, address: string, messages: number): Promise<void> {
  const now = Date.now();
  for (let start = 0; start < messages; start += DELIVERED_AT_ONCE) {
    const mails = Array.from({ length: Math.min(DELIVERED_AT_ONCE, messages - start) }, (_, index) => {
      const number = start + index;
      const file = { name: `${number}.bin`, contentBytes: fileOf(number) };
      return {
        to: address,
        from: `Customer <customer-${number % 1_000}@fabrikam.example>`,
        subject: `Mail ${number}`,
        text: 'The printer is broken again.\n\nRegards\nCarol',
        receivedDateTime: `${new Date(now - (messages - number + 60) * 60_000).toISOString().slice(0, 19)}Z`,
        ...(number % MAILS_PER_FILE === 0 ? { attachments: [file] } : {}),
      };
    });
    // Not all at once: each with its file is some megabytes of JSON.
    for (let part = 0; part < mails.length; part += 100) {
      await deliverMany(emulatorUrl, mails.slice(part, part + 100));
    }
  }
}

/** A file unlike any other: the same content would be stored once. */
function fileOf(number: number): string {
  return Buffer.alloc(FILE_BYTES, `The file of mail ${number}. `).toString('base64');
}

/** The same pages, asked for by hand: what no implementation can be faster than. */
async function fetchAndThrowAway(emulatorUrl: string, address: string): Promise<number> {
  const headers = graphHeaders(await appToken(emulatorUrl, address));
  const startedAt = performance.now();
  const filter = encodeURIComponent('receivedDateTime ge 1970-01-01T00:00:00Z');
  let link: string | undefined =
    `${emulatorUrl}/v1.0/users/${address}/mailFolders/inbox/messages?$select=${SELECT}&$filter=${filter}&$orderby=receivedDateTime&$top=100`;
  while (link) {
    const page: Response = await fetch(link, { headers });
    const body = (await page.json()) as { '@odata.nextLink'?: string };
    link = body['@odata.nextLink'];
  }
  return secondsSince(startedAt);
}

/** Looks at the resident memory of a process until it is disposed. */
function watchMemory(pid: number): Disposable & { most(): number } {
  let most = 0;
  const look = async () => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    most = Math.max(most, Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1_024);
  };
  const timer = setInterval(() => void look(), 250);
  return { most: () => most, [Symbol.dispose]: () => clearInterval(timer) };
}
