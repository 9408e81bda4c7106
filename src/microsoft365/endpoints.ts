import { CLOUDS, type CloudName } from './clouds.ts';

/**
 * Where requests go instead of Microsoft, for the emulator or a proxy; null where they go to Microsoft. Without a trailing
 * slash. One that holds `{host}` stands for every cloud, with the name of Microsoft's host in that place; any other
 * stands for the global cloud, and the other clouds keep their own hosts.
 */
export interface EndpointOverrides {
  loginUrl: string | null;
  graphUrl: string | null;
}

/** Whether `url` lies under `root`: same scheme, host and port, and below its path. False for what is no URL. */
export function isUnder(url: string, root: string): boolean {
  if (!URL.canParse(url)) return false;
  const candidate = new URL(url);
  const base = new URL(root);
  // User names in links could smuggle a look-alike past a reader; Microsoft never sends any.
  if (candidate.username !== '' || candidate.password !== '') return false;
  const path = base.pathname.replace(/\/+$/, '');
  return (
    candidate.origin === base.origin &&
    (candidate.pathname === path || candidate.pathname.startsWith(`${path}/`))
  );
}

/** `url` with `root` at its start replaced. Returns it unchanged when it does not lie under `root`. */
export function swapRoot(url: string, root: string, replacement: string): string {
  if (!isUnder(url, root)) return url;
  const { pathname, search } = new URL(url);
  const path = new URL(root).pathname.replace(/\/+$/, '');
  return replacement.replace(/\/+$/, '') + pathname.slice(path.length) + search;
}

/**
 * Where a request of Graph really goes: `target` is a path below the version (`/me/messages`), or a link that Graph gave.
 * Null when the link leads anywhere else: a token never goes there.
 */
export function graphUrlOf(cloud: CloudName, overrides: EndpointOverrides, target: string): string | null {
  const root = CLOUDS[cloud].graphUrl;
  const actual = replacementOf(overrides.graphUrl, root, CLOUDS.GLOBAL.graphUrl) ?? root;
  if (target.startsWith('/')) return `${actual}/v1.0${target}`;
  // The emulator, like Graph behind a proxy, hands out links under either root.
  if (isUnder(target, actual)) return target;
  return isUnder(target, root) ? swapRoot(target, root, actual) : null;
}

/** Where a request of the sign-in service really goes; null when it is not one of Microsoft's login hosts. */
export function loginUrlOf(overrides: EndpointOverrides, url: string): string | null {
  // MSAL asks the global host about the others (instance discovery), so any of them may appear.
  const root = Object.values(CLOUDS).find(({ loginUrl }) => isUnder(url, loginUrl))?.loginUrl;
  if (root === undefined) return null;
  const replacement = replacementOf(overrides.loginUrl, root, CLOUDS.GLOBAL.loginUrl);
  return replacement === null ? url : swapRoot(url, root, replacement);
}

/**
 * Whether requests for the sign-in host of this cloud go where those of the global cloud go: to Microsoft, or all through
 * the same proxy. Where they do not, nobody expects a request that was not asked for.
 */
export function reachesLoginOf({ loginUrl }: EndpointOverrides, cloud: CloudName): boolean {
  return loginUrl === null || loginUrl.includes(HOST) || CLOUDS[cloud].loginUrl === CLOUDS.GLOBAL.loginUrl;
}

const HOST = '{host}';

function replacementOf(override: string | null, root: string, globalRoot: string): string | null {
  if (override?.includes(HOST)) return override.replace(HOST, new URL(root).host);
  return root === globalRoot ? override : null;
}
