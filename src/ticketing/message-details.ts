import { batching } from '../platform/batching.ts';
import type { EntityManager } from '../platform/database.ts';
import type { Invitation } from './invitation.ts';
import type { Correspondent } from './message.entity.ts';
import type { PreparedMail } from './prepare-mail.ts';
import type { Protection } from './protection.ts';

/** What is told of a message besides its bodies; reading it costs no body. */
export interface MessageDetails {
  hasQuotedText: boolean;
  hasSignature: boolean;
  protection: Protection | null;
  /** Whether the mailbox has more of it than is kept here. */
  isShortened: boolean;
}

/** Message-IDs of a mail's `References` that are kept, the nearest ones. */
const MAX_REFERENCES = 60;

/** What details are made of. */
export type DetailedMail = Pick<PreparedMail, 'bodies' | 'protection' | 'invitation' | 'replyTo'> & {
  thread: Pick<PreparedMail['thread'], 'references'>;
};

/** Where the sender of a mail wants answers, and which mails it refers to. */
export interface MessageThreading {
  /** Empty: to its sender. */
  replyTo: Correspondent[];
  /** With angle brackets, oldest first. */
  references: string[];
}

/** The threading of messages, by message id; one that has none is left out. */
export async function threadingOf(
  em: EntityManager,
  organizationId: string,
  messageIds: readonly string[],
): Promise<Map<string, MessageThreading>> {
  if (messageIds.length === 0) return new Map();
  const rows = await em.execute<
    { message_id: string; replyTo: Correspondent[] | null; references: string[] | null }[]
  >(
    `select message_id, reply_to_correspondents as "replyTo", internet_references as "references"
     from message_detail where organization_id = ? and message_id in (?)`,
    [organizationId, [...messageIds]],
  );
  return new Map(
    rows.map(({ message_id, replyTo, references }) => [
      message_id,
      { replyTo: replyTo ?? [], references: references ?? [] },
    ]),
  );
}

const NONE: MessageDetails = {
  hasQuotedText: false,
  hasSignature: false,
  protection: null,
  isShortened: false,
};

/** Writes what was folded away of new messages, and how they are protected: one statement, or none. */
export async function storeDetails(
  em: EntityManager,
  organizationId: string,
  stored: readonly { messageId: string; mail: DetailedMail }[],
): Promise<void> {
  const rows = stored.flatMap(({ messageId, mail }) => {
    const { bodies, protection, invitation, replyTo, thread } = mail;
    const { quotedText, signature, isShortened } = bodies;
    const row = {
      message_id: messageId,
      quoted_text: quotedText,
      signature,
      protection,
      invitation,
      reply_to: replyTo.length === 0 ? null : replyTo,
      internet_references: thread.references.length === 0 ? null : thread.references.slice(-MAX_REFERENCES),
      is_shortened: isShortened || null,
    };
    const { message_id: _, ...details } = row;
    return Object.values(details).every((value) => value === null) ? [] : [row];
  });
  if (rows.length === 0) return;
  await em.execute(
    `insert into message_detail (organization_id, message_id, quoted_text, signature, protection, invitation,
       reply_to_correspondents, internet_references, is_shortened)
     select ?::uuid, message_id, quoted_text, signature, protection, invitation, reply_to, internet_references,
       coalesce(is_shortened, false)
     from json_to_recordset(?::json) as row(message_id uuid, quoted_text text, signature text, protection text,
       invitation jsonb, reply_to jsonb, internet_references text[], is_shortened boolean)
     on conflict (organization_id, message_id) do nothing`,
    [organizationId, JSON.stringify(rows)],
  );
}

/** What is told of a message. For a page of messages it is one query. */
export async function detailsOf(
  em: EntityManager,
  organizationId: string,
  messageId: string,
): Promise<MessageDetails> {
  return (await loadDetails(em, `${organizationId} ${messageId}`)) ?? NONE;
}

const loadDetails = batching(async (em, keys: readonly string[]) => {
  const asked = keys.map((key) => key.split(' '));
  const rows = await em.execute<(MessageDetails & { key: string })[]>(
    `select organization_id || ' ' || message_id as key, quoted_text is not null as "hasQuotedText",
       signature is not null as "hasSignature", protection, is_shortened as "isShortened"
     from message_detail
     where organization_id in (?) and message_id in (?)`,
    [[...new Set(asked.map(([organizationId]) => organizationId))], asked.map(([, messageId]) => messageId)],
  );
  return new Map(rows.map(({ key, ...details }) => [key, details]));
});

/** The invitation that Exchange made of a message; null when it is none. For a page of messages it is one query. */
export async function invitationByExchange(
  em: EntityManager,
  organizationId: string,
  messageId: string,
): Promise<Invitation | null> {
  return (await loadInvitation(em, `${organizationId} ${messageId}`)) ?? null;
}

const loadInvitation = batching(async (em, keys: readonly string[]) => {
  const asked = keys.map((key) => key.split(' '));
  const rows = await em.execute<{ key: string; invitation: Stored<Invitation> }[]>(
    `select organization_id || ' ' || message_id as key, invitation from message_detail
     where organization_id in (?) and message_id in (?) and invitation is not null`,
    [[...new Set(asked.map(([organizationId]) => organizationId))], asked.map(([, messageId]) => messageId)],
  );
  const instant = (time: string | null) => (time === null ? null : new Date(time));
  return new Map(
    rows.map(({ key, invitation: { startsAt, endsAt, ...stored } }) => [
      key,
      { ...stored, startsAt: instant(startsAt), endsAt: instant(endsAt) },
    ]),
  );
});

/** As JSON keeps it. */
type Stored<Type> = { [Key in keyof Type]: Type[Key] extends Date | null ? string | null : Type[Key] };
