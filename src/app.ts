import { ensureFirstOrganization } from './access/organizations.ts';
import { createSessionWatch } from './access/session-watch.ts';
import type { Config } from './config.ts';
import { openIntakeDatabase, prepareDatabase } from './database.ts';
import { schema } from './graphql/schema.ts';
import { enqueue } from './jobs/define-job.ts';
import { createJobMetrics } from './jobs/job-metrics.ts';
import { createReseal, createSealingMetrics, resealJob, resealSchedule } from './jobs/reseal.jobs.ts';
import { startSchedule } from './jobs/schedule.ts';
import { JobWorker } from './jobs/worker.ts';
import { createDiscoverIdentities } from './mailboxes/discover-identities.ts';
import { ensureIdentities } from './mailboxes/identities.ts';
import { ensurePrimaryMailbox } from './mailboxes/mailboxes.ts';
import { createRecheckAccounts, recheckSchedule } from './mailboxes/recheck-accounts.jobs.ts';
import { createMicrosoft365 } from './microsoft365/create-microsoft365.ts';
import { createWarnOfExpiry, credentialSchedule } from './microsoft365/credential-expiry.jobs.ts';
import { createGraphMetrics } from './microsoft365/graph-metrics.ts';
import { createSharedBudget } from './microsoft365/graph-shared-budget.ts';
import { createSetupChecks } from './microsoft365/setup-checks.ts';
import { readsMail } from './microsoft365/sign-in-purpose.ts';
import { watchTokens } from './microsoft365/token-watch.ts';
import {
  createOutboxJobs,
  hurryOutbox,
  type OutboxOverrides,
  outboxLimits,
  outboxSchedule,
} from './outbound/create-outbox.ts';
import type { Reached } from './outbound/fault-points.ts';
import { createOutboundMetrics } from './outbound/outbound-metrics.ts';
import { createReactions } from './outbound/reactions.ts';
import { createUploadSweep, sweepUploadsJob } from './outbound/sweep-uploads.ts';
import { type Clock, systemClock } from './platform/clock.ts';
import { forkAcrossOrganizations } from './platform/database.ts';
import { startEmbeddedPostgres } from './platform/embedded-postgres.ts';
import { checkEncryptionKeys } from './platform/key-check.ts';
import { Lifecycle } from './platform/lifecycle.ts';
import { createLinkSigner } from './platform/link-signing.ts';
import type { Logger } from './platform/logger.ts';
import { createNotifications } from './platform/notifications.ts';
import { openStorages } from './platform/open-storages.ts';
import { createSecretBox, keyFileIn, loadOrCreateKeyFile } from './platform/secrets.ts';
import { createConsumerJobs } from './realtime/consumer.jobs.ts';
import { createEventBus } from './realtime/event-bus.ts';
import { createPruneEvents, pruneEventsJob } from './realtime/prune.jobs.ts';
import { sealedColumns } from './sealed-columns.ts';
import { startHttpServer } from './server/http-server.ts';
import { createMetrics } from './server/metrics.ts';
import { microsoftGraphWebhook } from './server/microsoft-graph-webhook.ts';
import { setupCheck } from './server/setup-check.ts';
import { createImportJobs } from './sync/create-import.ts';
import { createPushJobs, pushSchedule } from './sync/create-push.ts';
import { createReconcileJobs, reconcileSchedule } from './sync/create-reconcile.ts';
import { createSyncJobs, syncSchedule } from './sync/create-sync.ts';
import { createFilingMetrics } from './sync/filing-metrics.ts';
import { createPushMetrics } from './sync/push-metrics.ts';
import { syncAccount } from './sync/sync-account.ts';
import { createSyncMetrics } from './sync/sync-metrics.ts';
import { watchAbsence } from './sync/watch-absence.ts';
import { createAttachmentJobs } from './ticketing/store-attachments.ts';
import { createContentSweep, sweepContentsJob } from './ticketing/sweep-contents.ts';

/** A running Deskgraph process. Disposing of it stops it in good order. */
export interface App extends AsyncDisposable {
  /** Where this process listens, such as `http://127.0.0.1:4000`; null without the role `api`. */
  readonly url: string | null;
  /** The OWNER key that was minted at the first start; shown this once. Null at any other start. */
  readonly mintedKey: string | null;
}

/** What a test may put in the place of the real thing. */
export interface AppOverrides {
  clock?: Clock;
  /** Called at each of `FAULT_POINTS` of sending; see `Reached`. */
  reached?: Reached;
  /** The limits of sending, and how long it waits. */
  outbox?: Omit<OutboxOverrides, 'reached'>;
  /** False: nothing is asked for by the clock, so that a test sees what it asked for itself. */
  isScheduled?: boolean;
}

/**
 * Builds and starts a process: the one place that constructs and wires. Each acquisition is followed by its release;
 * they run in the reverse order, so that the database stops last. When a step fails, what was acquired is given back.
 */
export async function createApp(config: Config, logger: Logger, overrides: AppOverrides = {}): Promise<App> {
  const lifecycle = new Lifecycle(logger);
  try {
    return await build(config, logger, lifecycle, overrides);
  } catch (error) {
    await lifecycle.stop().catch(() => undefined);
    throw error;
  }
}

async function build(
  config: Config,
  logger: Logger,
  lifecycle: Lifecycle,
  { clock = systemClock, reached, outbox, isScheduled = true }: AppOverrides,
): Promise<App> {
  const databaseUrl = config.databaseUrl ?? (await startOwnDatabase(config, logger, lifecycle));
  const database = await prepareDatabase(databaseUrl);
  lifecycle.defer('database pool', () => database.close(true));
  const mintedKey = await ensureFirstOrganization(database, { adminKey: config.adminKey, logger });
  const keys = config.encryptionKeys ?? (await loadOrCreateKeyFile(config.dataDirectory));
  const secretBox = createSecretBox(keys);
  // Before anything is served: over all organizations, since the keys are the installation's.
  const sealedUnderOlderKeys = await checkEncryptionKeys(
    forkAcrossOrganizations(database),
    secretBox,
    sealedColumns,
    { isConfigured: config.encryptionKeys !== null, keyFile: keyFileIn(config.dataDirectory) },
  );
  const metrics = createMetrics();
  const sealing = { database, secretBox, columns: sealedColumns };
  createSealingMetrics(metrics.registry, sealing);

  const storages = await openStorages({ database, s3: config.s3, logger, registry: metrics.registry });

  const notifications = createNotifications({ databaseUrl, logger });
  lifecycle.defer('notifications', () => notifications.close());
  const sessions = createSessionWatch({ database, notifications, logger });
  const events = createEventBus({ database, notifications, logger });
  lifecycle.defer('event bus', () => events.close());
  await notifications.start();
  await events.start();

  const publicUrl =
    config.publicUrl ?? `http://${config.host === '0.0.0.0' ? 'localhost' : config.host}:${config.port}`;
  const pushEnvironment = { publicUrl: config.publicUrl, graphUrl: config.microsoftGraphUrl };
  createPushMetrics({ registry: metrics.registry, database, clock, environment: pushEnvironment });
  const budget = createSharedBudget({ databaseUrl, logger, registry: metrics.registry });
  lifecycle.defer('request budget', () => budget[Symbol.asyncDispose]());
  const microsoft365 = createMicrosoft365({
    database,
    secretBox,
    logger,
    clock,
    publicUrl,
    loginUrl: config.microsoftLoginUrl,
    graphUrl: config.microsoftGraphUrl,
    budget,
    observer: createGraphMetrics(metrics.registry),
    onConnected: async (em, account) => {
      // Who signed in for the directory alone may have no mailbox, and nobody asked for it.
      if (readsMail(account.grantedScopes)) {
        await ensureIdentities(em, await ensurePrimaryMailbox(em, account), clock.now());
      }
      await em.flush();
      await syncAccount(em, account);
      await hurryOutbox(em, account);
    },
    onHealed: async (em, account) => {
      await syncAccount(em, account);
      await hurryOutbox(em, account);
    },
  });
  const { mail, push, sending, tokens } = microsoft365;
  const stopWatchingTokens = watchTokens(notifications, tokens);
  lifecycle.defer('watch of tokens', stopWatchingTokens);

  if (config.roles.has('worker')) {
    const reactions = createConsumerJobs(createReactions({ clock }), {
      database,
      events,
      logger,
      registry: metrics.registry,
    });
    createFilingMetrics(metrics.registry, database);
    const worker = new JobWorker({
      databaseUrl,
      logger,
      handlers: [
        ...createSyncJobs({ database, mail, clock, onStored: createSyncMetrics(metrics.registry) }),
        ...createImportJobs({ database, mail, clock }),
        ...createReconcileJobs({ database, mail, clock }),
        ...createPushJobs({
          database,
          push,
          secretBox,
          clock,
          environment: pushEnvironment,
          random: Math.random,
        }),
        ...createAttachmentJobs({ database, mail, storages, clock, limits: config.attachmentLimits }),
        ...createOutboxJobs(
          {
            database,
            sending,
            storages,
            secretBox,
            clock,
            observer: createOutboundMetrics(metrics.registry, database),
          },
          { ...outbox, ...(reached && { reached }) },
        ),
        createDiscoverIdentities({ database, sending: microsoft365.sending, clock }),
        createContentSweep({ database, storages, clock }),
        createUploadSweep({ database, clock }),
        createPruneEvents({ database, clock }),
        reactions.handler,
        createWarnOfExpiry({ database, clock }),
        createRecheckAccounts({ database, microsoft365, clock }),
        createReseal(sealing),
      ],
      abandon: lifecycle.abandon,
      onAttempt: createJobMetrics(metrics.registry, database),
    });
    lifecycle.defer('job worker', () => worker[Symbol.asyncDispose]());
    // Before any work: what the first jobs do is answered.
    const reacting = await reactions.start();
    lifecycle.defer('reactions to events', () => reacting[Symbol.dispose]());
    await worker.start();
    if (sealedUnderOlderKeys > 0) {
      logger.info({ count: sealedUnderOlderKeys, key: keys[0]?.name }, 'sealing secrets of older keys anew');
      await enqueue(forkAcrossOrganizations(database), resealJob, {});
    }
    const schedule = startSchedule(
      isScheduled
        ? [
            ...syncSchedule,
            ...pushSchedule,
            ...reconcileSchedule,
            ...credentialSchedule,
            ...recheckSchedule,
            ...outboxSchedule,
            ...resealSchedule,
            reactions.schedule,
            { job: pruneEventsJob, pattern: '0 17 * * * *' },
            { job: sweepContentsJob, pattern: '0 37 * * * *' },
            { job: sweepUploadsJob, pattern: '0 27 * * * *' },
          ]
        : [],
      {
        database,
        logger,
      },
    );
    lifecycle.defer('schedule', () => schedule[Symbol.asyncDispose]());
  }

  let url: string | null = null;
  if (config.roles.has('api')) {
    const intake = await openIntakeDatabase(databaseUrl);
    lifecycle.defer('database pool of the webhook', () => intake.close(true));
    const links = createLinkSigner(keys);
    const installation = {
      publicUrl: config.publicUrl,
      overrides: { loginUrl: config.microsoftLoginUrl, graphUrl: config.microsoftGraphUrl },
      isKeyConfigured: config.encryptionKeys !== null,
      isProduction: config.isProduction,
    };
    const services = {
      database,
      clock,
      logger,
      publicUrl,
      pushEnvironment,
      storages,
      links,
      events,
      sessions,
      microsoft365,
      setupChecks: createSetupChecks(installation, { links, clock }),
      mail,
      sendLimits: outboxLimits(outbox),
    };
    const server = await startHttpServer({
      schema,
      services,
      config,
      metrics,
      draining: lifecycle.draining,
      routes: [setupCheck(services)],
      posts: microsoftGraphWebhook({
        database: intake,
        secretBox,
        clock,
        logger,
        registry: metrics.registry,
      }),
    });
    lifecycle.defer('http server', () => server.close());
    url = server.url;
    const absence = watchAbsence({ database, clock, notifications, logger });
    lifecycle.defer('watch of absence', () => absence[Symbol.asyncDispose]());
  }
  return { url, mintedKey, [Symbol.asyncDispose]: () => lifecycle.stop() };
}

async function startOwnDatabase(config: Config, logger: Logger, lifecycle: Lifecycle): Promise<string> {
  const postgres = await startEmbeddedPostgres({ dataDirectory: config.dataDirectory, logger });
  lifecycle.defer('embedded PostgreSQL', () => postgres.stop());
  return postgres.url;
}
