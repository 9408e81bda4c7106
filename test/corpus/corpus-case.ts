import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';

const expected = z.record(z.string(), z.json());
const ticketNumber = z.int().min(1);

/** One thing that happens, in the order of the file. */
const stepSchema = z.union([
  z.strictObject({
    /** File name within the case's folder. */
    deliver: z.string(),
    /** Name of the mailbox; the first when left out. */
    mailbox: z.string().optional(),
    /** Days from now at which Exchange says that it received the mail. */
    laterByDays: z.number().min(0).optional(),
    /** False: it waits for the next sync, and then shares a page with what comes next. */
    sync: z.boolean().default(true),
  }),
  z.strictObject({ sync: z.string() }),
  z.strictObject({ close: ticketNumber }),
  z.strictObject({ delete: ticketNumber }),
  z.strictObject({ merge: ticketNumber, into: ticketNumber }),
  /** Moves the message with this subject; `to` null makes a ticket of it. */
  z.strictObject({ move: z.string(), to: ticketNumber.nullable() }),
  /** Any mutation with an `input`; `{{ticket:1}}` within it becomes the id of ticket 1. */
  z.strictObject({ mutation: z.string(), input: z.record(z.string(), z.json()) }),
]);
/** One thing that happens. */
export type Step = z.output<typeof stepSchema>;

const caseSchema = z.strictObject({
  /** What the case proves, in one sentence. */
  purpose: z.string().min(10).max(200),
  /** The mailboxes by name, with their settings; one named `support` when left out. */
  mailboxes: z.record(z.string(), z.record(z.string(), z.json())).default({ support: {} }),
  /** What happens; the case's one mail is delivered when left out. */
  steps: z.array(stepSchema).min(1).optional(),
  expect: z.strictObject({
    /** Every ticket of the organization, by number; each with all its messages. */
    tickets: z.array(z.looseObject({ messages: z.array(expected) })),
    /** Every row of the ledger, oldest first. */
    ledger: z.array(expected),
    /** The subjects in a mailbox's folders, by mailbox and folder. */
    folders: z.record(z.string(), z.record(z.string(), z.array(z.string()))).optional(),
  }),
});

/** A case as its file says it. */
export interface CorpusCase extends Omit<z.output<typeof caseSchema>, 'steps'> {
  group: string;
  name: string;
  steps: Step[];
  /** The bytes of a mail of the case. Throws when there is no such file. */
  mail(file: string): Buffer;
}

const HERE = import.meta.dirname;

/** Every case, by group and name. Throws with the file and the place when one is not written as README.md says. */
export function readCases(): CorpusCase[] {
  return globSync('*/*.json', { cwd: HERE }).sort().map(readCase);
}

function readCase(file: string): CorpusCase {
  const group = dirname(file);
  const name = basename(file, '.json');
  const read = caseSchema.safeParse(JSON.parse(readFileSync(join(HERE, file), 'utf8')));
  if (!read.success) throw new Error(`${file}: ${z.prettifyError(read.error)}`);
  const folder = join(HERE, group, name);
  return {
    ...read.data,
    group,
    name,
    steps: read.data.steps ?? [{ deliver: `${name}.eml`, sync: true }],
    mail: (mail) => readFileSync(existsSync(folder) ? join(folder, mail) : join(HERE, group, mail)),
  };
}
