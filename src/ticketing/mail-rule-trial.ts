import { z } from 'zod';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import type { Mailbox } from '../mailboxes/mailbox.entity.ts';
import { accessOf, getMailbox } from '../mailboxes/mailboxes.ts';
import type { MailApi } from '../microsoft365/mail.ts';
import type { EntityManager } from '../platform/database.ts';
import { parseInput } from '../platform/parse-input.ts';
import { cleanLine, cleanText } from './clean-text.ts';
import { InboundMessage } from './inbound-message.entity.ts';
import { loadMailRouting, routeMail, type StoredMailRule } from './mail-routing.ts';
import type { MailRuleDecision, RuleResult } from './mail-rule-apply.ts';
import { type NewMailRule, newMailRule } from './mail-rule-input.ts';
import { factsOf, type MailFacts } from './mail-rule-match.ts';
import { findTargets } from './mail-rules.ts';
import { readMails } from './read-mails.ts';

const address = z
  .string()
  .max(320)
  .transform(cleanLine)
  .transform((given) => given.toLowerCase());
const sample = z.object({
  mailboxId: z.uuid().nullish(),
  sender: address.nullish(),
  recipients: z.array(address).max(500).nullish(),
  subject: z.string().max(1_000).transform(cleanLine).nullish(),
  headers: z
    .array(z.object({ name: z.string().max(100), value: z.string().max(10_000).transform(cleanText) }))
    .max(200)
    .nullish(),
  text: z.string().max(100_000).transform(cleanText).nullish(),
  sizeBytes: z.int().min(0).nullish(),
  hasAttachments: z.boolean().nullish(),
});

/** A mail that is made up; what is left out is empty. */
export type MailSample = z.input<typeof sample>;

/** A rule that is not saved. */
export type MailRuleDraft = NewMailRule & {
  /** The saved rule in whose place it is tried. */
  replacesId?: string | null;
};

/** What to try: one of the two mails, with the rules as they are or with a draft among them. */
export interface MailRuleTrial {
  inboundMessageId?: string | null;
  sample?: MailSample | null;
  draft?: MailRuleDraft | null;
}

/** A rule that took part: saved, or the draft, which has no id. */
export type TriedRule = MailRuleDecision & { id: string | null };

/** What the rules say, and what else decides about such a mail. */
export interface MailRuleTestResult extends RuleResult<TriedRule> {
  /** Whether the message was a reply, which rules are not asked about; they were asked as if it were none. */
  wasReply: boolean;
  /** What became of the message of the ledger, of which rules may never have been asked; null for a sample. */
  actual: ActualOutcome | null;
}

/** What the ledger says of a message. */
export type ActualOutcome = Pick<InboundMessage, 'outcome' | 'reason'>;

/** A mail that rules are tried with. */
interface TrialMail {
  facts: MailFacts;
  mailbox: Mailbox | null;
  actual: ActualOutcome | null;
  /** Whether it opened a ticket that goes on from a closed one: no rule ignores those. */
  isFollowUp: boolean;
}

/**
 * Tells what the mail rules would do, by the same functions as ingest does. A message of the ledger is read from its
 * mailbox again; nothing is written. Throws InvalidInputError, NotFoundError (also when the message is no longer in the
 * mailbox), GroupNotAvailableError, AssigneeNotAvailableError, and GraphError when Microsoft cannot be asked.
 */
export async function testMailRules(
  em: EntityManager,
  { inboundMessageId, sample: given, draft }: MailRuleTrial,
  dependencies: { mail: MailApi; signal: AbortSignal },
): Promise<MailRuleTestResult> {
  if ((inboundMessageId == null) === (given == null)) {
    throw new InvalidInputError(
      'inboundMessageId',
      'A test needs one mail.',
      'Give either "inboundMessageId" or "sample".',
    );
  }
  const { facts, mailbox, actual, isFollowUp } =
    inboundMessageId == null
      ? await sampleMail(em, given ?? {})
      : await ledgerMail(em, inboundMessageId, dependencies);
  const { rules, destination } = await loadMailRouting(em, mailbox?.groupId);
  const tried = draft == null ? rules : await withDraft(em, rules, draft);
  return {
    ...routeMail<TriedRule>(
      facts,
      { rules: tried, destination },
      { keptBecause: isFollowUp ? 'A_REPLY' : null },
    ),
    wasReply: actual?.outcome === 'REPLY_ADDED',
    actual,
  };
}

async function sampleMail(em: EntityManager, given: MailSample): Promise<TrialMail> {
  const read = parseInput(sample, given);
  return {
    facts: {
      senderAddress: read.sender || null,
      recipientAddresses: read.recipients ?? [],
      subject: read.subject ?? '',
      headers: read.headers ?? [],
      text: read.text ?? '',
      sizeBytes: read.sizeBytes ?? Buffer.byteLength(read.text ?? ''),
      hasAttachments: read.hasAttachments ?? false,
    },
    mailbox: read.mailboxId == null ? null : await getMailbox(em, read.mailboxId),
    actual: null,
    isFollowUp: false,
  };
}

async function ledgerMail(
  em: EntityManager,
  inboundMessageId: string,
  { mail, signal }: { mail: MailApi; signal: AbortSignal },
): Promise<TrialMail> {
  const row = await em.findOne(InboundMessage, { id: inboundMessageId }, { populate: ['mailbox'] });
  if (row === null) throw new NotFoundError('The inbound message');
  const mailbox = await row.mailbox.loadOrFail();
  const found = await mail.getMail(accessOf(mailbox), row.graphMessageId, signal);
  if (found === null) throw new NotFoundError('The message in its mailbox');
  // Not here: a hostile mail takes seconds, in which nobody else would be answered.
  const read = (await readMails([found], signal)).get(found);
  if (read === undefined || 'error' in read) throw read?.error ?? new Error('A mail was not read.');
  return {
    facts: factsOf(read.prepared),
    mailbox,
    actual: { outcome: row.outcome, reason: row.reason },
    isFollowUp: row.reason === 'FOLLOW_UP',
  };
}

/** The rules with the draft at its place: of the rule that it replaces, or where it says, or last. */
async function withDraft(
  em: EntityManager,
  rules: readonly StoredMailRule[],
  { replacesId, ...input }: MailRuleDraft,
): Promise<TriedRule[]> {
  const given = parseInput(newMailRule, input);
  const { actions } = given;
  const { group, assignee } = await em.transactional((inside) => findTargets(inside, actions ?? {}));
  const draft: TriedRule = {
    id: null,
    name: given.name,
    enabled: given.enabled ?? true,
    match: given.match ?? 'ALL',
    conditions: given.conditions,
    group: group && { id: group.id, name: group.name },
    priority: actions?.priority ?? null,
    tags: actions?.tags ?? [],
    assignee: assignee && { id: assignee.id, name: assignee.name },
    ignore: actions?.ignore ?? false,
    stop: given.stop ?? false,
    isBroken: false,
  };
  const saved: readonly TriedRule[] = rules;
  if (replacesId == null) return saved.toSpliced((given.position ?? rules.length + 1) - 1, 0, draft);
  const index = rules.findIndex(({ id }) => id === replacesId);
  if (index < 0) throw new NotFoundError('The mail rule');
  const others = saved.toSpliced(index, 1);
  return others.toSpliced(given.position == null ? index : given.position - 1, 0, draft);
}
