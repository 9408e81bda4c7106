/** Lets an app of the benchmark's own into every mailbox of a tenant of the emulator. */
export async function appToken(emulatorUrl: string, address: string): Promise<string> {
  const tenant = address.slice(address.indexOf('@') + 1);
  const answer = await fetch(`${emulatorUrl}/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: crypto.randomUUID(),
      client_secret: 'any',
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  const { access_token: token } = (await answer.json()) as { access_token?: string };
  if (token === undefined) throw new Error(`No token for ${tenant}: ${answer.status}`);
  return token;
}

/** What a page of mail is asked with: every property that a ticket needs. */
export const SELECT =
  'id,internetMessageId,conversationId,subject,from,replyTo,toRecipients,ccRecipients,receivedDateTime,sentDateTime,hasAttachments,isDraft,body,uniqueBody,internetMessageHeaders';

/** The headers of such a request. */
export function graphHeaders(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}`, prefer: 'IdType="ImmutableId", odata.maxpagesize=100' };
}
