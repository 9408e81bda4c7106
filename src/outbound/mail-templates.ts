import { Organization } from '../access/organization.entity.ts';
import { NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import { bounded, cleanLine, cleanText } from '../ticketing/clean-text.ts';
import { Ticket } from '../ticketing/ticket.entity.ts';
import { checkLiquid, renderLiquid, type TemplateVariables } from './liquid.ts';
import { MailTemplate } from './mail-template.entity.ts';
import type { NotificationKind } from './notification.entity.ts';
import { loadSubject, variablesOf } from './notification-facts.ts';
import { DEFAULT_TEMPLATES, type TemplateSource } from './template-defaults.ts';
import { sampleVariables } from './template-variables.ts';
import { htmlOfText } from './text-html.ts';

/** What Exchange keeps of a subject. */
const MAX_SUBJECT_LENGTH = 255;

/** The template of a kind as it is used. */
export interface UsedTemplate extends TemplateSource {
  kind: NotificationKind;
  /** When the organization last changed it; null while it is ours. */
  changedAt: Date | null;
}

/** A mail that a template has become. */
export interface RenderedMail {
  /** On one line. */
  subject: string;
  html: string;
  text: string;
}

/** What `null` or nothing leaves as it is. */
export interface TemplateChange {
  subject?: string | null | undefined;
  html?: string | null | undefined;
  text?: string | null | undefined;
}

/** The template of a kind that the organization of `em` uses. */
export async function usedTemplate(em: EntityManager, kind: NotificationKind): Promise<UsedTemplate> {
  const own = await em.findOne(MailTemplate, { kind });
  return own
    ? { kind, subject: own.subject, html: own.html ?? null, text: own.text, changedAt: own.updatedAt }
    : { kind, ...DEFAULT_TEMPLATES[kind], changedAt: null };
}

/**
 * Changes the template of a kind; parts that are left out stay, `html` null: HTML is made of the text. It is tried with
 * the examples of its variables first. Throws TemplateError.
 */
export async function updateMailTemplate(
  em: EntityManager,
  organizationId: string,
  kind: NotificationKind,
  change: TemplateChange,
): Promise<UsedTemplate> {
  return em.transactional(async (inside) => {
    // Two that change different parts at once would each write the other's part back.
    await inside.execute(`select pg_advisory_xact_lock(hashtextextended(?, 0))`, [
      `mail-template:${organizationId}:${kind}`,
    ]);
    const source = withChange(await usedTemplate(inside, kind), change);
    renderTemplate(source, sampleVariables(kind));
    const own = await inside.findOne(MailTemplate, { kind });
    if (own) inside.assign(own, source);
    else {
      inside.create(MailTemplate, {
        organization: inside.getReference(Organization, organizationId),
        kind,
        ...source,
      });
    }
    await inside.flush();
    return usedTemplate(inside, kind);
  });
}

/** Gives a kind our template back. Idempotent. */
export async function resetMailTemplate(em: EntityManager, kind: NotificationKind): Promise<UsedTemplate> {
  await em.nativeDelete(MailTemplate, { kind });
  em.clear();
  return usedTemplate(em, kind);
}

/**
 * What a template becomes: the saved one, with the parts that are given in the place of its own, filled in with a ticket
 * or with examples. Nothing is written or sent. Throws NotFoundError and TemplateError.
 */
export async function previewMailTemplate(
  em: EntityManager,
  organizationId: string,
  { kind, ticketId, ...change }: TemplateChange & { kind: NotificationKind; ticketId: string | null },
): Promise<RenderedMail> {
  const source = withChange(await usedTemplate(em, kind), change);
  if (ticketId === null) return renderTemplate(source, sampleVariables(kind));
  const ticket = await em.findOne(Ticket, { id: ticketId });
  if (ticket === null) throw new NotFoundError('The ticket');
  const facts = await loadSubject(em, organizationId, ticketId, null);
  if (facts === null) throw new NotFoundError('The ticket');
  return renderTemplate(source, variablesOf(kind, facts, null));
}

/** Fills a template in. Throws TemplateError. */
export function renderTemplate(source: TemplateSource, variables: TemplateVariables): RenderedMail {
  const subject = bounded(cleanLine(renderLiquid('SUBJECT', source.subject, variables)), MAX_SUBJECT_LENGTH);
  const text = cleanText(renderLiquid('TEXT', source.text, variables))
    .replaceAll('\r\n', '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
  const html =
    source.html === null ? htmlOfText(text) : cleanText(renderLiquid('HTML', source.html, variables));
  return { subject, html, text };
}

function withChange(saved: TemplateSource, { subject, html, text }: TemplateChange): TemplateSource {
  const source = {
    subject: subject ?? saved.subject,
    html: html === undefined ? saved.html : html,
    text: text ?? saved.text,
  };
  checkLiquid('SUBJECT', source.subject);
  checkLiquid('TEXT', source.text);
  if (source.html !== null) checkLiquid('HTML', source.html);
  return source;
}
