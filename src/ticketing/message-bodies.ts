import DataLoader from 'dataloader';
import { NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { MessageBodiesTooLargeError } from './ticketing-errors.ts';

/** A body of a message, as `Message` names it. */
export type BodyField = 'text' | 'html' | 'strippedText' | 'quotedText' | 'signature';

/** What every message has: the other bodies may be null. */
type GivenBodyField = 'text' | 'strippedText';

/** Which body is asked for. */
export interface BodyQuestion<Field extends BodyField = BodyField> {
  organizationId: string;
  messageId: string;
  field: Field;
}

/** Reads one body; null when the message has none of that kind. */
export type ReadBody = <Field extends BodyField>(
  em: EntityManager,
  question: BodyQuestion<Field>,
) => Promise<Field extends GivenBodyField ? string : string | null>;

/**
 * Makes the function that reads bodies of messages, for resolvers: rows of `Message` come without them, because a page of
 * messages may have gigabytes. What is asked for in the same tick is one statement, which reads only what was asked for.
 *
 * All bodies that one entity manager (one request, or one event of a stream) asks for may have `maxBytes` bytes of UTF-8
 * together. What is asked for twice counts twice: an alias makes the answer longer, too.
 *
 * The function throws {@link MessageBodiesTooLargeError} before anything that is over the budget leaves the database, and
 * NotFoundError when the organization has no such message.
 */
export function messageBodies(maxBytes: number): ReadBody {
  const loaders = new WeakMap<EntityManager, DataLoader<BodyQuestion, string | null>>();
  return <Field extends BodyField>(em: EntityManager, question: BodyQuestion<Field>) => {
    const loader = loaders.get(em) ?? bodyLoader(em, maxBytes);
    loaders.set(em, loader);
    return loader.load(question) as Promise<Field extends GivenBodyField ? string : string | null>;
  };
}

/** Not `batching`: that one asks for each key once, and a budget must know how often. */
function bodyLoader(em: EntityManager, maxBytes: number): DataLoader<BodyQuestion, string | null> {
  let spent = 0;
  let earlier: Promise<unknown> = Promise.resolve();
  return new DataLoader<BodyQuestion, string | null>(
    (questions) => {
      // One batch after the other: two at the same time would each spend what is left.
      const batch = earlier.then(async () => {
        const { bytes, bodies } = await readBodies(em, questions, maxBytes - spent);
        if (bodies === null) throw new MessageBodiesTooLargeError(spent + bytes, maxBytes);
        spent += bytes;
        return questions.map((question) => {
          const body = bodies.get(keyOf(question));
          return body === undefined ? new NotFoundError('The message') : body;
        });
      });
      const ended = () => undefined; // keeps no bodies, and the next batch runs whatever became of this one
      earlier = batch.then(ended, ended);
      return batch;
    },
    { cache: false },
  );
}

interface BodyRow {
  bytes: number;
  key: string | null;
  body: string | null;
}

/**
 * The bodies by question, and the bytes of what was asked for; no bodies when these are more than `budget`. Sizes and
 * bodies are of one snapshot. `octet_length` reads the length of a body that PostgreSQL keeps elsewhere, not the body.
 */
async function readBodies(
  em: EntityManager,
  questions: readonly BodyQuestion[],
  budget: number,
): Promise<{ bytes: number; bodies: Map<string, string | null> | null }> {
  const asked = [...Map.groupBy(questions, keyOf)].flatMap(([key, same]) =>
    same.slice(0, 1).map((question) => ({ ...question, key, times: same.length })),
  );
  const rows = await em.execute<BodyRow[]>(
    `with asked as (
       select * from json_to_recordset(?::json)
         as asked (key text, "organizationId" uuid, "messageId" uuid, field text, times int)
     ), wanted as materialized (
       select asked.key, asked.times,
         case asked.field when 'text' then message.text when 'html' then message.html
           when 'quotedText' then message_detail.quoted_text when 'signature' then message_detail.signature
           else message.stripped_text end as body
       from asked
       join message on message.organization_id = asked."organizationId" and message.id = asked."messageId"
       left join message_detail on asked.field in ('quotedText', 'signature')
         and message_detail.organization_id = message.organization_id and message_detail.message_id = message.id
     ), total as (
       select coalesce(sum(octet_length(body)::bigint * times), 0)::float8 as bytes from wanted
     )
     select total.bytes, wanted.key, wanted.body from total left join wanted on total.bytes <= ?`,
    [JSON.stringify(asked), budget],
  );
  const bytes = rows[0]?.bytes ?? 0;
  if (bytes > budget) return { bytes, bodies: null };
  return { bytes, bodies: new Map(rows.flatMap(({ key, body }) => (key === null ? [] : [[key, body]]))) };
}

function keyOf({ organizationId, messageId, field }: BodyQuestion): string {
  return `${organizationId} ${messageId} ${field}`;
}
