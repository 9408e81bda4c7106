import { delay } from '../platform/clock.ts';
import { type DemoMail, STORY } from './story.ts';

const POST_TIMEOUT_MILLISECONDS = 20_000;

/** Where and how often the postman delivers. */
export interface Round {
  emulatorUrl: string;
  /** The help desk's address. */
  to: string;
  millisecondsBetweenMails: number;
  signal: AbortSignal;
}

/** Delivers the story into the mailbox, mail by mail, again and again until the signal aborts. */
export async function deliverStory({
  emulatorUrl,
  to,
  millisecondsBetweenMails,
  signal,
}: Round): Promise<void> {
  const lastOf = new Map<string, string>();
  for (let index = 0; ; index++) {
    const mail = STORY[index % STORY.length];
    if (!mail) return;
    const inReplyTo = mail.isReply ? lastOf.get(mail.from.emailAddress) : undefined;
    lastOf.set(mail.from.emailAddress, await post(emulatorUrl, to, mail, inReplyTo, signal));
    await delay(millisecondsBetweenMails, signal);
  }
}

/** Hands one mail to the emulator; gives back its Message-ID. */
async function post(
  emulatorUrl: string,
  to: string,
  { isReply: _isReply, from, ...mail }: DemoMail,
  inReplyTo: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const response = await fetch(`${emulatorUrl}/_emulator/mail`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...mail,
      from: { name: from.name, address: from.emailAddress },
      to,
      ...(inReplyTo ? { inReplyTo, references: [inReplyTo] } : {}),
    }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(POST_TIMEOUT_MILLISECONDS)]),
  });
  const answer = (await response.json()) as { internetMessageId?: string };
  if (!response.ok || !answer.internetMessageId) {
    throw new Error(`The emulator refused a mail: HTTP ${response.status} ${JSON.stringify(answer)}`);
  }
  return answer.internetMessageId;
}
