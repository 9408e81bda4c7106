import { Hono } from 'hono';
import { attachmentRoutes } from './attachment-routes.ts';
import { batchRoutes } from './batch-routes.ts';
import { pathAtHost } from './cloud-hosts.ts';
import { controlRoutes } from './control-routes.ts';
import { deltaRoutes } from './delta-routes.ts';
import { directoryRoutes } from './directory.ts';
import { folderRoutes } from './folder-routes.ts';
import { gate } from './gate.ts';
import { faultResponse, GraphFault, requestIdsOf } from './graph-fault.ts';
import { canonicalPath } from './graph-path.ts';
import { mailTipsRoutes } from './mail-tips-routes.ts';
import { messageRoutes } from './message-routes.ts';
import { sendRoutes } from './send-routes.ts';
import { signInRoutes } from './sign-in.ts';
import { subscriptionRoutes } from './subscription-routes.ts';
import { uploadRoutes } from './upload-routes.ts';
import type { GraphEnv, World } from './world.ts';

/** Everything the emulator serves, as one Hono app: Graph, the sign-in pages, and the control API. */
export function graphApp(world: World): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>({
    getPath: (request) => canonicalPath(pathOf(request.url)),
  });
  app.onError((error, c) => {
    const fault =
      error instanceof GraphFault
        ? error
        : new GraphFault(500, 'InternalServerError', `The emulator failed: ${error.message}`);
    return faultResponse(fault, c.get('ids') ?? requestIdsOf(c.req.raw.headers), world.state.clock.now());
  });

  app.route('/_emulator', controlRoutes(world));
  app.use('*', gate(world));
  app.route('/', deltaRoutes(world));
  app.route('/', folderRoutes(world));
  app.route('/', sendRoutes(world));
  app.route('/', mailTipsRoutes(world));
  app.route('/', uploadRoutes(world));
  app.route('/', attachmentRoutes(world));
  app.route('/', messageRoutes(world));
  app.route('/', subscriptionRoutes(world));
  app.route(
    '/',
    batchRoutes(world, (request, env) => app.fetch(request, env)),
  );
  app.route('/', directoryRoutes(world.state));
  app.route('/', signInRoutes(world.state));
  app.notFound((c) => {
    const fault = new GraphFault(
      404,
      'ResourceNotFound',
      `The emulator has no ${c.req.method} ${c.req.path}.`,
    );
    return faultResponse(fault, c.get('ids') ?? requestIdsOf(c.req.raw.headers), world.state.clock.now());
  });
  return app;
}

/** The path of a URL as the host it is meant for sees it, still percent-encoded. */
function pathOf(url: string): string {
  return pathAtHost(new URL(url).pathname);
}
