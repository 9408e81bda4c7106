import type { Context } from 'hono';
import type { GraphEnv, World } from './world.ts';

/**
 * The address of a request as the links in its answer show it: under the root the request came to, or under the root
 * that the settings name, such as `https://graph.microsoft.com`, for clients that swap the root in their transport.
 */
export function linkUrl(c: Context<GraphEnv>, world: World): URL {
  const url = new URL(c.req.url);
  const { linkRoot } = world.settings;
  return linkRoot === null ? url : new URL(`${url.pathname}${url.search}`, linkRoot);
}
