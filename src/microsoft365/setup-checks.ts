import { type Clock, monotonicMilliseconds, SECOND } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import type { LinkSigner } from '../platform/link-signing.ts';
import { cloudToProbe, measureClockSkew } from './clock-probe.ts';
import { CLOUD_NAMES } from './clouds.ts';
import { checkCredentials } from './credential-check.ts';
import { Integration } from './integration.entity.ts';
import { probePublicUrl } from './public-url-probe.ts';
import {
  checkAnswer,
  checkClock,
  checkKey,
  checkPresence,
  checkScheme,
  type Installation,
  type SetupCheck,
} from './setup-check.ts';

/** Looks at the set-up. */
export interface SetupChecks {
  /** All checks, for the organization of `em`. What goes over the network is asked once in ten seconds. */
  run(em: EntityManager): Promise<SetupCheck[]>;
}

/** What others asked a moment ago is good enough: whoever reloads a page does not make us call ourselves each time. */
const KEEP_MILLISECONDS = 10 * SECOND;
/** More integrations than an organization has. */
const MOST_INTEGRATIONS = 100;

/** Wires the checks of one process. */
export function createSetupChecks(
  installation: Installation,
  { links, clock }: { links: LinkSigner; clock: Clock },
): SetupChecks {
  const { publicUrl, overrides } = installation;
  const answer = briefly(async () =>
    publicUrl === null ? null : await probePublicUrl(publicUrl, links, clock),
  );
  const skews = new Map(
    CLOUD_NAMES.map((cloud) => [cloud, briefly(() => measureClockSkew(overrides, clock, cloud))]),
  );
  return {
    async run(em) {
      const integrations = await em.find(Integration, {}, { fields: ['cloud'], limit: MOST_INTEGRATIONS });
      const cloud = cloudToProbe(
        integrations.map((integration) => integration.cloud),
        overrides,
      );
      const [answered, skewMilliseconds, credentials] = await Promise.all([
        answer(),
        skews.get(cloud)?.() ?? null,
        checkCredentials(em, clock.now()),
      ]);
      return [
        checkPresence(publicUrl),
        checkScheme(installation),
        checkAnswer(publicUrl, answered),
        checkClock(skewMilliseconds, cloud),
        checkKey(installation),
        ...credentials,
      ];
    },
  };
}

/** Of several who ask within {@link KEEP_MILLISECONDS}, only the first waits for the work. */
function briefly<T>(work: () => Promise<T>): () => Promise<T> {
  let kept: { since: number; result: Promise<T> } | null = null;
  return () => {
    const now = monotonicMilliseconds();
    if (kept === null || now - kept.since > KEEP_MILLISECONDS) kept = { since: now, result: work() };
    return kept.result;
  };
}
