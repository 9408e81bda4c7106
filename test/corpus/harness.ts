import type { Desk, TestApp } from '../support/app.ts';
import { foldersOf } from '../support/mail.ts';

import type { CorpusCase, Step } from './corpus-case.ts';
import { differences } from './differences.ts';
import { outcomeOf, ticketsOf } from './outcome.ts';

const DAY = 24 * 60 * 60 * 1_000;
/** Files and folders follow a sync on their own: this long a case may stay wrong before it counts as wrong. */
const SETTLING_MILLISECONDS = 60_000;

/** A mailbox of a case. */
interface CaseMailbox {
  mailboxId: string;
  address: string;
}

/** A case on its way. */
interface Run {
  app: TestApp;
  desk: Desk;
  mailboxes: Map<string, CaseMailbox>;
  corpusCase: CorpusCase;
}

/**
 * Plays a case in an organization of its own: mailboxes, then each step. Gives where the outcome is not as expected; empty
 * when it is right. Throws when a step is refused.
 */
export async function playCase(app: TestApp, corpusCase: CorpusCase): Promise<string[]> {
  const desk = await app.newDesk(corpusCase.name);
  const run: Run = { app, desk, mailboxes: new Map(), corpusCase };
  for (const [name, settings] of Object.entries(corpusCase.mailboxes)) {
    const mailbox = await desk.connectMailbox();
    run.mailboxes.set(name, mailbox);
    await mutate(desk, 'updateIncomingSettings', {
      mailboxId: mailbox.mailboxId,
      enabled: true,
      intervalMinutes: 'MINUTES_60',
      ...(await withFolders(desk, mailbox.mailboxId, settings)),
    });
    await sync(desk, mailbox.mailboxId);
  }
  for (const step of corpusCase.steps) await play(run, step);
  return calmly(async () => {
    const wrong = await wrongIn(run);
    return { done: wrong.length === 0, answer: wrong };
  });
}

/**
 * Asks until it is done, less and less often: cases run side by side, and what asks all the time slows down what it waits
 * for. Gives the last answer, also when it never was done.
 */
async function calmly<T>(probe: () => Promise<{ done: boolean; answer: T }>): Promise<T> {
  const deadline = performance.now() + SETTLING_MILLISECONDS;
  for (let pause = 20; ; pause = Math.min(pause * 1.5, 300)) {
    const { done, answer } = await probe();
    if (done || performance.now() > deadline) return answer;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

const RUN = `mutation ($id: ID!) { runSyncNow(input: { mailboxId: $id }) {
  ... on RunSyncNowPayload { syncRun { id } } ... on Error { message } } }`;
const STATE = 'query ($id: ID!) { node(id: $id) { ... on SyncRun { state problem { code } } } }';

/** Runs a sync and waits for its end. Throws unless it succeeds. */
async function sync(desk: Desk, mailboxId: string): Promise<void> {
  const { runSyncNow } = await desk.request<{ runSyncNow: { syncRun?: { id: string }; message?: string } }>(
    RUN,
    { id: mailboxId },
  );
  const state = await calmly(async () => {
    const { node } = await desk.request<{ node: { state: string } }>(STATE, { id: runSyncNow.syncRun?.id });
    return { done: !['QUEUED', 'RUNNING'].includes(node.state), answer: node.state };
  });
  if (state !== 'SUCCEEDED') throw new Error(runSyncNow.message ?? `The sync ended as ${state}.`);
}

async function wrongIn({ app, desk, mailboxes, corpusCase }: Run): Promise<string[]> {
  const outcome = await outcomeOf(desk);
  const waiting = outcome.tickets.flatMap(({ messages }) =>
    messages.flatMap(({ attachments }) => attachments.filter(({ state }) => state === 'PENDING')),
  );
  if (waiting.length > 0) return [`${waiting.length} files are still being fetched`];
  const { folders = {}, ...expected } = corpusCase.expect;
  const readable = JSON.parse(JSON.stringify(expected), (_, value) =>
    typeof value === 'string' ? filled(value, mailboxes, desk) : value,
  );
  const wrong = differences(readable, JSON.parse(JSON.stringify(outcome)));
  for (const [name, wanted] of Object.entries(folders)) {
    const actual = await foldersOf(app.emulator.url, mailboxNamed(mailboxes, name).address);
    for (const [folder, subjects] of Object.entries(wanted)) {
      wrong.push(
        ...differences(subjects, actual.get(folder)?.toSorted() ?? [], `.folders.${name}.${folder}`),
      );
    }
  }
  return wrong;
}

async function play(run: Run, step: Step): Promise<void> {
  const { desk, mailboxes } = run;
  const idOf = async (number: number) => {
    const ticket = (await ticketsOf(desk)).find((one) => one.number === number);
    if (ticket === undefined) throw new Error(`There is no ticket #${number}.`);
    return ticket.id;
  };
  if ('deliver' in step) return deliverStep(run, step);
  if ('sync' in step) {
    await sync(desk, mailboxNamed(mailboxes, step.sync).mailboxId);
  } else if ('close' in step) {
    await mutate(desk, 'updateTicket', { ticketId: await idOf(step.close), status: 'CLOSED' });
  } else if ('delete' in step) {
    await mutate(desk, 'deleteTicket', { ticketId: await idOf(step.delete) });
  } else if ('merge' in step) {
    await mutate(desk, 'mergeTickets', {
      ticketId: await idOf(step.merge),
      intoTicketId: await idOf(step.into),
    });
  } else if ('move' in step) {
    const messages = (await ticketsOf(desk)).flatMap((ticket) => ticket.messages);
    const message = messages.find(({ subject }) => subject === step.move);
    if (message === undefined) throw new Error(`There is no message “${step.move}”.`);
    const ticketId = step.to === null ? null : await idOf(step.to);
    await mutate(desk, 'moveMessageToTicket', { messageId: message.id, ticketId });
  } else {
    const ids = new Map((await ticketsOf(desk)).map(({ id, number }) => [`{{ticket:${number}}}`, id]));
    const input = JSON.parse(JSON.stringify(step.input), (_, value) =>
      typeof value === 'string' ? (ids.get(value) ?? filled(value, mailboxes, desk)) : value,
    );
    await mutate(desk, step.mutation, input);
  }
}

async function deliverStep(run: Run, step: Extract<Step, { deliver: string }>): Promise<void> {
  const { app, desk, mailboxes, corpusCase } = run;
  const { address, mailboxId } = mailboxNamed(mailboxes, step.mailbox);
  const query = new URLSearchParams({ to: address });
  if (step.laterByDays !== undefined) {
    query.set('receivedDateTime', new Date(Date.now() + step.laterByDays * DAY).toISOString());
  }
  // latin1 keeps every byte as it is, whatever the mail's charsets are.
  const source = filled(corpusCase.mail(step.deliver).toString('latin1'), mailboxes, desk);
  const answer = await fetch(`${app.emulator.url}/_emulator/mail?${query}`, {
    method: 'POST',
    headers: { 'content-type': 'message/rfc822' },
    body: Buffer.from(source.replaceAll(/\r?\n/g, '\r\n'), 'latin1'),
  });
  if (!answer.ok) throw new Error(`${step.deliver} was not delivered: ${await answer.text()}`);
  if (step.sync) await sync(desk, mailboxId);
}

/** `{{mailbox}}`, `{{mailbox:sales}}`, `{{mailboxId}}`, `{{organization}}`, `{{repeat 100 some text}}`: see README.md. */
function filled(source: string, mailboxes: Run['mailboxes'], desk: Desk): string {
  return source.replaceAll(/\{\{(\w+)(?::(\w+)| (\d+) ([^}]*))?\}\}/g, (all, word, name, count, text) => {
    if (word === 'mailbox') return mailboxNamed(mailboxes, name).address;
    if (word === 'mailboxId') return mailboxNamed(mailboxes, name).mailboxId;
    if (word === 'organization') return desk.organizationId;
    return word === 'repeat' && count !== undefined ? String(text).repeat(Number(count)) : all;
  });
}

function mailboxNamed(mailboxes: Run['mailboxes'], name: string | undefined): CaseMailbox {
  const mailbox = name === undefined ? mailboxes.values().next().value : mailboxes.get(name);
  if (mailbox === undefined) throw new Error(`The case has no mailbox ${name}.`);
  return mailbox;
}

/** `archiveFolder` and `copyFolder` name folders, which are made first; settings want their ids. */
async function withFolders(
  desk: Desk,
  mailboxId: string,
  { archiveFolder, copyFolder, ...settings }: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const made = async (displayName: unknown) => {
    const { folder } = await mutate<{ folder: { id: string } }>(
      desk,
      'createMailFolder',
      { mailboxId, displayName },
      'folder { id }',
    );
    return folder.id;
  };
  return {
    ...settings,
    ...(archiveFolder === undefined ? {} : { archiveFolderId: await made(archiveFolder) }),
    ...(copyFolder === undefined ? {} : { copyFolderId: await made(copyFolder) }),
  };
}

/** Runs a mutation; throws with the message of its error. */
async function mutate<Payload>(
  desk: Desk,
  name: string,
  input: Record<string, unknown>,
  fields = '__typename',
): Promise<Payload> {
  const type = name.charAt(0).toUpperCase() + name.slice(1);
  const { result } = await desk.request<{ result: Payload & { message?: string } }>(
    `mutation ($input: ${type}Input!) { result: ${name}(input: $input) {
       ... on ${type}Payload { ${fields} } ... on Error { message } } }`,
    { input },
  );
  if (result.message !== undefined) throw new Error(`${name}: ${result.message}`);
  return result;
}
