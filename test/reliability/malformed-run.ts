import { control, type Desk, type SyncRunResult } from '../support/app.ts';
import { eventually } from '../support/wait.ts';
import { malformedMails } from './malformed-mails.ts';
import type { OddAnswer } from './odd-answers.ts';

/** Handed in at the same time. */
const LANES = 8;
/** Mails between two syncs: what a busy day brings at once. */
const MAILS_PER_SYNC = 500;
const ROWS_PER_PAGE = 20;
/** Milliseconds for one sync: some of these mails take seconds of computing each. */
const SYNC_DEADLINE = 300_000;

/** Where the mails go. */
export interface MalformedStage {
  desk: Desk;
  emulatorUrl: string;
  /** Of the server. */
  url: string;
  count: number;
  seed: number;
  log?: (line: string) => void;
}

/** What became of them. */
export interface MalformedReport {
  /** Taken by the mailbox. */
  delivered: number;
  /** Not taken: Exchange would not have taken them for a mail either. */
  refused: number;
  /** By `outcome reason problem`. */
  outcomes: Record<string, number>;
  /** Delivered, by what was wrong. */
  kinds: Record<string, number>;
  /** Everything that must not be, in words. */
  faults: string[];
  /** Seconds. */
  syncing: number;
  /** Seconds, all in all. */
  took: number;
  /** Of the server: the largest resident set met, in bytes. */
  peakBytes: number;
}

/**
 * Delivers so many malformed mails, lets the server take them in, and looks at each through the API. What is wrong is in
 * `faults`; throws only when the run itself cannot go on.
 */
export async function runMalformed(stage: MalformedStage): Promise<MalformedReport> {
  const { desk, count, seed, log = () => undefined } = stage;
  const startedAt = performance.now();
  const { mailboxId, address } = await desk.connectMailbox();
  await desk.enable(mailboxId);
  await control(stage.emulatorUrl, 'settings', { requestsPerWindow: 1_000_000 });
  // Unannounced: what is odd about a mail is set after it was delivered, and before it is read.
  await control(stage.emulatorUrl, 'push', { lossProbability: 1 });
  const report: MalformedReport = {
    delivered: 0,
    refused: 0,
    outcomes: {},
    kinds: {},
    faults: [],
    syncing: 0,
    took: 0,
    peakBytes: 0,
  };
  const source = malformedMails(seed);
  const odd: Record<string, OddAnswer> = {};
  while (report.delivered < count) {
    const wanted = Math.min(count, report.delivered + MAILS_PER_SYNC);
    const lane = async () => {
      while (report.delivered < wanted) {
        const { kind, mime, odd: answer } = source.next().value;
        report.delivered += 1; // taken back below: the other lanes must not hand in too many
        const id = await handIn(stage.emulatorUrl, address, mime);
        if (id === null) {
          report.delivered -= 1;
          report.refused += 1;
        } else {
          report.kinds[kind] = (report.kinds[kind] ?? 0) + 1;
          if (answer) odd[id] = answer;
        }
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    await control(stage.emulatorUrl, `mailboxes/${address}/quirks`, { oddMessages: odd }, 'PUT');
    const syncedAt = performance.now();
    const run = await syncAll(stage, mailboxId);
    report.syncing += (performance.now() - syncedAt) / 1_000;
    if (run.state !== 'SUCCEEDED')
      report.faults.push(`A run ended ${run.state}: ${JSON.stringify(run.problem)}`);
    report.peakBytes = Math.max(report.peakBytes, await residentBytes(stage.url));
    log(
      `${report.delivered} delivered, ${JSON.stringify(run)}, ${Math.round(report.peakBytes / 2 ** 20)} MiB`,
    );
  }
  await readBack(stage, report);
  const live = await fetch(`${stage.url}/livez`, { signal: AbortSignal.timeout(2_000) });
  if (live.status !== 200) report.faults.push(`/livez answered ${live.status}.`);
  report.took = (performance.now() - startedAt) / 1_000;
  return report;
}

async function syncAll(stage: MalformedStage, mailboxId: string): Promise<SyncRunResult> {
  const { body } = await ask<{ runSyncNow: { syncRun: { id: string } } }>(
    stage,
    `mutation ($id: ID!) { runSyncNow(input: { mailboxId: $id }) { ... on RunSyncNowPayload { syncRun { id } } } }`,
    { id: mailboxId },
  );
  const id = body.data?.runSyncNow.syncRun.id;
  return eventually(
    'the sync ends',
    async () => {
      const asked = await ask<{ node: SyncRunResult }>(
        stage,
        `query ($id: ID!) { node(id: $id) { ... on SyncRun {
           id state seen created appended ignored failed requests problem { code remedy } } } }`,
        { id },
      );
      const run = asked.body.data?.node;
      return run && !['QUEUED', 'RUNNING'].includes(run.state) && run;
    },
    SYNC_DEADLINE,
  );
}

/** Gives the immutable id; null when it is no mail even to the mailbox. */
async function handIn(emulatorUrl: string, address: string, mime: Buffer): Promise<string | null> {
  // Exchange has a sender for every mail, and so has the emulator.
  const hasSender = /^from:/im.test(mime.subarray(0, 20_000).toString('latin1'));
  const mail = hasSender
    ? mime
    : Buffer.concat([Buffer.from('From: Mallory <mallory@evil.example>\r\n'), mime]);
  const response = await fetch(`${emulatorUrl}/_emulator/mail?to=${encodeURIComponent(address)}`, {
    method: 'POST',
    headers: { 'content-type': 'message/rfc822' },
    body: Uint8Array.from(mail),
  });
  const body = await response.text();
  if (response.status === 201) return (JSON.parse(body) as { immutableId: string }).immutableId;
  if (response.status === 400) return null;
  throw new Error(`The emulator answered ${response.status}: ${body.slice(0, 500)}`);
}

interface Row {
  id: string;
  internetMessageId: string | null;
  outcome: string;
  reason: string | null;
  explanation: string;
  problem: { code: string } | null;
  ticket: { id: string } | null;
  message: { id: string; text: string } | null;
}

const ROWS = `query ($after: String) { inboundMessages(first: ${ROWS_PER_PAGE}, after: $after) { pageInfo { hasNextPage } edges { cursor node {
  id outcome reason explanation problem { code } subject from internetMessageId receivedAt
  ticket { id number subject requester { name emailAddress } }
  message { id subject html text strippedText quotedText signature sentAt from { name emailAddress } to { emailAddress }
    cc { emailAddress } bounce { __typename } forwardedFrom { __typename } invitation { __typename }
    attachments { name contentType sizeBytes state problem { code } } } } } } }`;

/** Every mail has one row with an outcome, and everything of it can be read. */
async function readBack(stage: MalformedStage, report: MalformedReport): Promise<void> {
  const { faults, outcomes } = report;
  const seen = new Set<string>();
  for (let after: string | null = null, more = true; more; ) {
    const { status, body }: Answer<Listing> = await ask<Listing>(stage, ROWS, { after });
    const page: Page | undefined = body.data?.inboundMessages;
    if (status >= 500 || body.errors || !page) {
      faults.push(`Reading after ${after} answered ${status}: ${JSON.stringify(body.errors)?.slice(0, 500)}`);
      return;
    }
    for (const { node } of page.edges) {
      const { id, internetMessageId, outcome, reason, problem, explanation, ticket, message } = node;
      const about = `${id} ${internetMessageId?.slice(0, 100)}: ${outcome} ${reason}`;
      const key = [outcome, reason, problem?.code].filter(Boolean).join(' ');
      outcomes[key] = (outcomes[key] ?? 0) + 1;
      if (seen.has(id)) faults.push(`${about} was listed twice.`);
      seen.add(id);
      if (explanation === '') faults.push(`${about} is not explained.`);
      const isStored = outcome === 'TICKET_CREATED' || outcome === 'REPLY_ADDED';
      if (isStored !== (message !== null) || (isStored && ticket === null))
        faults.push(`${about} is half there.`);
      if (outcome === 'IGNORED' && !reason) faults.push(`${about} has no reason.`);
      if (outcome === 'FAILED' && !problem) faults.push(`${about} has no problem.`);
      if (!['TICKET_CREATED', 'REPLY_ADDED', 'IGNORED', 'FAILED'].includes(outcome)) faults.push(`${about}?`);
    }
    after = page.edges.at(-1)?.cursor ?? null;
    more = page.pageInfo.hasNextPage;
  }
  // The ledger cannot hold a mail twice: as many rows as mails are one for each.
  if (seen.size !== report.delivered) faults.push(`${report.delivered} mails have ${seen.size} rows.`);
}

interface Page {
  pageInfo: { hasNextPage: boolean };
  edges: { cursor: string; node: Row }[];
}

interface Listing {
  inboundMessages?: Page;
}

interface Answer<Data> {
  status: number;
  body: { data?: Data; errors?: unknown };
}

async function ask<Data>(
  { url, desk }: MalformedStage,
  query: string,
  variables: object,
): Promise<Answer<Data>> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${desk.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(60_000),
  });
  return { status: response.status, body: (await response.json()) as { data?: Data; errors?: unknown } };
}

async function residentBytes(url: string): Promise<number> {
  return eventually('the metrics answer', async () => {
    const page = await (await fetch(`${url}/metrics`)).text();
    const [, bytes] = /^process_resident_memory_bytes (\S+)$/m.exec(page) ?? [];
    return bytes !== undefined && Number(bytes);
  });
}
