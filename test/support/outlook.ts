import type { Emulator } from '../../src/emulator/emulator.ts';
import { control } from './app.ts';

/** Moves a mail as a person does in Outlook, to a folder by its display name. */
export async function moveByHand(
  { url, graphUrl, loginUrl }: Pick<Emulator, 'url' | 'graphUrl' | 'loginUrl'>,
  address: string,
  messageId: string,
  folderName: string,
): Promise<void> {
  const { folders } = await control<{ folders: { id: string; displayName: string }[] }>(
    url,
    `mailboxes/${address}`,
  );
  const destinationId = folders.find(({ displayName }) => displayName === folderName)?.id;
  const token = await fetch(`${loginUrl}/contoso.example/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      client_id: 'outlook',
      client_secret: 'any',
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }),
  });
  const { access_token: value } = (await token.json()) as { access_token: string };
  const answer = await fetch(`${graphUrl}/v1.0/users/${address}/messages/${messageId}/move`, {
    method: 'POST',
    headers: { authorization: `Bearer ${value}`, 'content-type': 'application/json' },
    body: JSON.stringify({ destinationId }),
  });
  if (!answer.ok) throw new Error(`The mail was not moved: ${answer.status} ${await answer.text()}`);
}
