import { builder, enumType } from '../graphql/builder.ts';
import { TicketStatusEnum } from '../graphql/ticket-status.graphql.ts';
import type { ExistingMail, ImportWish } from './existing-mail.ts';

const ExistingMailModeEnum = enumType(
  'ExistingMailMode',
  'What becomes of the mail that lay in the watched folder before incoming mail was enabled.',
  {
    NEW_ONLY: 'It is left alone: only new mail is taken in.',
    ARCHIVE: 'It is imported as history: see `ImportMode`.',
    AS_NEW: 'It is imported as if it had come just now.',
  },
);

/** The choice about existing mail, as the settings show it. */
export const ExistingMailType = builder.objectRef<ExistingMail>('ExistingMail').implement({
  description: 'What was last chosen for the mail that lay in the folder before incoming mail was enabled.',
  fields: (t) => ({
    mode: t.expose('mode', { type: ExistingMailModeEnum, description: 'What becomes of it.' }),
    since: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Mail received before is left out; null: none is.',
      resolve: ({ since }) => (since === null ? null : new Date(since)),
    }),
    cutoff: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'Mail received before is history, the other is taken in as new; null: all of it is history.',
      resolve: ({ cutoff }) => (cutoff === null ? null : new Date(cutoff)),
    }),
    targetStatus: t.expose('targetStatus', {
      type: TicketStatusEnum,
      nullable: true,
      description: 'The status of the tickets of history; null when there is none.',
    }),
  }),
});

/** The same, as somebody chooses it. */
export const ExistingMailInput = builder.inputType('ExistingMailInput', {
  description: 'What becomes of the mail that is already in the folder.',
  fields: (t) => ({
    mode: t.field({ type: ExistingMailModeEnum, required: true, description: 'What becomes of it.' }),
    since: t.field({ type: 'DateTime', description: 'Leaves out mail received before.' }),
    cutoff: t.field({
      type: 'DateTime',
      description: 'With `ARCHIVE`: only mail received before becomes history. All of it when left out.',
    }),
    targetStatus: t.field({
      type: TicketStatusEnum,
      description: 'With `ARCHIVE`: the status of its tickets; `CLOSED` when left out.',
    }),
  }),
});

/** The choice as the domain has it: undefined when none is made, null when existing mail is left alone. */
export function wishOf(
  input: typeof ExistingMailInput.$inferInput | null | undefined,
): ImportWish | null | undefined {
  if (!input) return undefined;
  const { mode, since = null, cutoff = null, targetStatus = null } = input;
  return mode === 'NEW_ONLY' ? null : { mode, since, cutoff, targetStatus };
}
