/** A browser that came back from Microsoft's pages with an answer, which it has not delivered yet. */
export interface Answered {
  /** The page of Microsoft that it was sent to. */
  microsoftUrl: string;
  /** Where Microsoft sends it back to. */
  location: string;
  /** The `Cookie` header that it has for us; empty without one. */
  cookie: string;
  /** Goes there, as this browser or with another cookie, without following where that leads. */
  deliver(cookie?: string): Promise<Response>;
}

/**
 * Opens the page of a sign-in or a consent as a browser does, picks the account and decides. `decision` is `accept` or
 * `deny`. Throws what the page says when Microsoft does not send the browser back.
 */
export async function answerMicrosoft(
  authorizationUrl: string,
  address: string,
  decision = 'accept',
): Promise<Answered> {
  const { microsoftUrl, cookie } = await openLink(authorizationUrl);
  const choice = `&_account=${encodeURIComponent(address)}&_decision=${decision}`;
  const answer = await fetch(microsoftUrl + choice, { redirect: 'manual' });
  const location = answer.headers.get('location');
  if (location === null) throw new Error(`no way back: ${answer.status} ${await answer.text()}`);
  const deliver = (own = cookie) => fetch(location, { redirect: 'manual', headers: { cookie: own } });
  return { microsoftUrl, location, cookie, deliver };
}

/** The whole sign-in. */
export async function signInAs(authorizationUrl: string, address: string): Promise<void> {
  const answer = await (await answerMicrosoft(authorizationUrl, address)).deliver();
  if (!answer.ok) throw new Error(`Signing in failed: ${answer.status} ${await answer.text()}`);
}

/** Follows a link of ours to Microsoft, and takes the cookie along. A page of Microsoft is left as it is. */
export async function openLink(url: string): Promise<{ microsoftUrl: string; cookie: string }> {
  if (!new URL(url).pathname.startsWith('/api/integrations/microsoft365/'))
    return { microsoftUrl: url, cookie: '' };
  const opened = await fetch(url, { redirect: 'manual' });
  const microsoftUrl = opened.headers.get('location');
  if (microsoftUrl === null) throw new Error(`no way to Microsoft: ${opened.status} ${await opened.text()}`);
  const cookie = opened.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');
  return { microsoftUrl, cookie };
}
