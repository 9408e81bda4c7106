import type { ChangeType, LifecycleEventType } from '@microsoft/microsoft-graph-types';
import { grantedPermissions } from './consent.ts';
import type { Tenant } from './directory-user.ts';
import type { Folder, FolderChange, Mailbox, StoredMessage } from './mailbox.ts';
import { noCounts, type PushCount, type PushCounts } from './push-counts.ts';
import { GIVE_UP_MS, PushCourier } from './push-courier.ts';
import type { PushItem, PushVerdict } from './push-lane.ts';
import { changeNotification, lifecycleNotification, type NotifiedMessage } from './push-notification.ts';
import { type PushAnswer, pushPost } from './push-post.ts';
import { DEFAULT_PUSH_SETTINGS, type PushSettings } from './push-settings.ts';
import { watchMailbox } from './push-watch.ts';
import type { Randomness } from './randomness.ts';
import type { EmulatorState } from './state.ts';
import type { StoredSubscription } from './subscription.ts';
import { isAuthorized, isConflict, upkeepOf } from './subscription-upkeep.ts';

const CHANGE_TYPES: Readonly<Record<FolderChange['kind'], ChangeType>> = {
  created: 'created',
  updated: 'updated',
  removed: 'deleted',
};

/** The notification service: knows the subscriptions, hears of changes, and hands notifications to the courier. */
export class Push {
  readonly settings: PushSettings = { ...DEFAULT_PUSH_SETTINGS };
  readonly courier: PushCourier;
  readonly #state: EmulatorState;
  readonly #randomness: Randomness;
  readonly #countsBySubscription = new Map<string, PushCounts>();
  #counts = noCounts();
  #conflicts = 0;

  constructor(state: EmulatorState, randomness: Randomness) {
    this.#state = state;
    this.#randomness = randomness;
    this.courier = new PushCourier(state.clock, this.settings, {
      judge: (item) => this.#judge(item),
      settled: (item, outcome) => this.#count(item, outcome),
      upkeep: (now) => this.#upkeep(now),
    });
  }

  /** Takes up the subscriptions that a state file kept. */
  start(): void {
    for (const subscription of this.#state.subscriptions.values()) this.#watch(subscription);
    this.courier.round();
  }

  /** What was counted over all subscriptions, those that are gone included. */
  get counts(): PushCounts {
    return this.#counts;
  }

  /** How often `PATCH` and `/reauthorize` of one subscription came within ten minutes, which Microsoft forbids. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** What was counted for one subscription. */
  countsOf(subscriptionId: string): PushCounts {
    return this.#countsBySubscription.get(subscriptionId) ?? noCounts();
  }

  /** A subscription that is there and has not expired. */
  find(id: string): StoredSubscription | undefined {
    const subscription = this.#state.subscriptions.get(id.toLowerCase());
    return subscription !== undefined && subscription.expiresAt > this.#state.clock.now()
      ? subscription
      : undefined;
  }

  /** Every subscription that has not expired, in order of creation. */
  live(): StoredSubscription[] {
    const now = this.#state.clock.now();
    return [...this.#state.subscriptions.values()].filter(({ expiresAt }) => expiresAt > now);
  }

  /** From now on its mailbox's changes are notified. */
  add(subscription: StoredSubscription): void {
    this.#state.subscriptions.set(subscription.id, subscription);
    this.#countsBySubscription.set(subscription.id, noCounts());
    this.#watch(subscription);
    this.courier.round();
  }

  /** Takes a subscription away without a word. */
  remove(id: string): void {
    this.#state.subscriptions.delete(id);
    this.#countsBySubscription.delete(id);
  }

  /** A `PATCH`: it also reauthorizes. */
  renew(subscription: StoredSubscription, expiresAt: number, notificationUrl: string): void {
    const now = this.#state.clock.now();
    if (isConflict(subscription.reauthorizedAt, now)) this.#conflicts += 1;
    Object.assign(subscription, { expiresAt, notificationUrl, renewedAt: now, askedAt: null });
    this.#authorize(subscription);
  }

  /** A `POST /reauthorize`: the expiry stays. */
  reauthorize(subscription: StoredSubscription): void {
    const now = this.#state.clock.now();
    if (isConflict(subscription.renewedAt, now)) this.#conflicts += 1;
    subscription.reauthorizedAt = now;
    this.#authorize(subscription);
  }

  /** Tells a client about its subscription; `subscriptionRemoved` removes it. False when it gave no URL for that. */
  tell(subscription: StoredSubscription, event: LifecycleEventType): boolean {
    const { id, lifecycleNotificationUrl, isSilent } = subscription;
    if (event === 'subscriptionRemoved') this.#state.subscriptions.delete(id);
    if (lifecycleNotificationUrl === null || isSilent) return false;
    const now = this.#state.clock.now();
    const item: PushItem = {
      subscriptionId: id,
      isLifecycle: true,
      notification: lifecycleNotification(subscription, event),
      raisedAt: now,
      dueAt: now,
    };
    this.#add(id, 'lifecycleRaised');
    this.courier.send(lifecycleNotificationUrl, item);
    return true;
  }

  /** One notification about a message right now, past every setting, queue and count. Gives what came back. */
  probe(
    subscription: StoredSubscription,
    changeType: ChangeType,
    message: NotifiedMessage,
  ): Promise<PushAnswer> {
    return pushPost({
      url: new URL(subscription.notificationUrl),
      contentType: 'application/json; charset=utf-8',
      body: JSON.stringify({ value: [changeNotification(subscription, changeType, message)] }),
      timeoutMs: this.settings.latencySlowMs,
      signal: this.courier.signal,
    });
  }

  /** A user's tokens were revoked: what was subscribed with them is removed, and the apps are told. */
  userRevoked(userId: string): void {
    for (const subscription of this.live()) {
      if (subscription.creatorUserId === userId) this.tell(subscription, 'subscriptionRemoved');
    }
  }

  /** An app's consent was taken back: delegated subscriptions that no permission covers any more are removed. */
  consentRevoked(tenant: Tenant, appId: string): void {
    for (const subscription of this.live()) {
      const { creatorUserId, tenantId, applicationId } = subscription;
      if (creatorUserId === null || tenantId !== tenant.id || applicationId !== appId) continue;
      const granted = grantedPermissions(tenant, appId, creatorUserId);
      if (!granted.some((name) => /^mail\.read(write|basic)?$/i.test(name)))
        this.tell(subscription, 'subscriptionRemoved');
    }
  }

  /** Forgets what is on its way and what was counted; settings go back to their defaults. */
  reset(): void {
    this.courier.reset();
    Object.assign(this.settings, DEFAULT_PUSH_SETTINGS);
    this.#countsBySubscription.clear();
    this.#counts = noCounts();
    this.#conflicts = 0;
  }

  /** Leaves no timer and no socket behind. */
  close(): Promise<void> {
    return this.courier.close();
  }

  #watch({ mailboxUserId }: StoredSubscription): void {
    const mailbox = this.#state.mailboxes.get(mailboxUserId);
    if (mailbox === undefined) return;
    watchMailbox(mailbox, (folder, kind, message) => this.#changed(mailbox, folder, kind, message));
  }

  #changed(mailbox: Mailbox, folder: Folder, kind: FolderChange['kind'], message: StoredMessage): void {
    const now = this.#state.clock.now();
    const changeType = CHANGE_TYPES[kind];
    for (const subscription of this.#state.subscriptions.values()) {
      const { mailboxUserId, folderId, changeTypes, expiresAt, isSilent } = subscription;
      const isMeant = mailboxUserId === mailbox.userId && (folderId === null || folderId === folder.id);
      if (!isMeant || isSilent || expiresAt <= now || !changeTypes.includes(changeType)) continue;
      this.#raise(subscription, changeType, message, now);
    }
  }

  #raise(
    subscription: StoredSubscription,
    changeType: ChangeType,
    message: StoredMessage,
    now: number,
  ): void {
    const { settings } = this;
    const { id, notificationUrl } = subscription;
    this.#add(id, 'raised');
    if (this.#randomness.next() < settings.lossProbability) {
      this.#add(id, 'lost');
      return;
    }
    const copies = this.#randomness.next() < settings.duplicateProbability ? 2 : 1;
    if (copies === 2) this.#add(id, 'duplicated');
    const notification = changeNotification(subscription, changeType, message);
    for (let copy = 0; copy < copies; copy += 1) {
      const delay = settings.reorder ? this.#randomness.next() * settings.delayMs : settings.delayMs;
      const dueAt = now + delay + settings.batchMs;
      const item = { subscriptionId: id, isLifecycle: false, notification, raisedAt: now, dueAt };
      this.courier.send(notificationUrl, item);
    }
  }

  #judge(item: PushItem): PushVerdict {
    if (item.isLifecycle) return 'send';
    const subscription = this.find(item.subscriptionId);
    if (subscription === undefined) {
      this.#add(item.subscriptionId, 'discarded');
      return 'discard';
    }
    const now = this.#state.clock.now();
    if (isAuthorized(subscription, now, this.settings)) return 'send';
    if (now - item.raisedAt <= GIVE_UP_MS) return 'hold';
    this.#add(item.subscriptionId, 'failed');
    return 'discard';
  }

  #upkeep(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const subscription of this.#state.subscriptions.values()) {
      const upkeep = upkeepOf(subscription, now, this.settings);
      if (upkeep.isExpired) {
        this.remove(subscription.id);
        continue;
      }
      if (upkeep.isReminderDue) {
        subscription.askedAt = now;
        this.tell(subscription, 'reauthorizationRequired');
      }
      next = Math.min(next, upkeep.nextAt);
    }
    for (const id of this.courier.takeMissed(now)) {
      const subscription = this.find(id);
      if (subscription !== undefined) this.tell(subscription, 'missed');
    }
    return Math.min(next, this.courier.missedAt());
  }

  #authorize(subscription: StoredSubscription): void {
    subscription.authorizedAt = this.#state.clock.now();
    if (this.settings.authorizationMinutes === null) this.courier.round();
    else this.courier.hasten(subscription.id);
  }

  #count(item: PushItem, outcome: 'delivered' | 'failed' | 'dropped'): void {
    const lifecycle = outcome === 'delivered' ? 'lifecycleDelivered' : 'lifecycleFailed';
    this.#add(item.subscriptionId, item.isLifecycle ? lifecycle : outcome);
  }

  #add(subscriptionId: string, count: PushCount): void {
    this.#counts[count] += 1;
    const own = this.#countsBySubscription.get(subscriptionId);
    if (own !== undefined) own[count] += 1;
  }
}
