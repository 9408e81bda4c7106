import { setTimeout as sleep } from 'node:timers/promises';
import { uuidOf } from './organizations.ts';
import type { Dice } from './random.ts';
import type { StagedClient } from './stage.ts';
import { type Connection, connectEventStream, connectSocket, type StreamResult } from './streams.ts';

/** An event as a client saw it. */
export interface SeenEvent {
  cursor: string;
  /** The UUID of the ticket or message that it is about. */
  entity: string;
}

/** What a client saw, in the order in which it saw it, over all of its connections. */
export interface ClientRecord {
  name: string;
  organizationId: string;
  field: StagedClient['field'];
  seen: SeenEvent[];
  cuts: number;
  connections: number;
  /** Codes of errors that came instead of events. */
  refusals: string[];
}

/** A client that listens until it is stopped: cut off, it comes back with the cursor of the last event it saw. */
export class Listener {
  readonly record: ClientRecord;
  readonly #staged: StagedClient;
  readonly #apiKey: string;
  readonly #urls: readonly string[];
  readonly #dice: Dice;
  #cursor: string;
  #connection: Connection | undefined;
  #isStopped = false;
  readonly #running: Promise<void>;

  constructor(options: {
    staged: StagedClient;
    organizationId: string;
    apiKey: string;
    /** Of every API; each connection goes to one of them. */
    urls: readonly string[];
    /** Where it begins. */
    cursor: string;
    dice: Dice;
  }) {
    const { staged, organizationId, apiKey, urls, cursor, dice } = options;
    this.#staged = staged;
    this.#apiKey = apiKey;
    this.#urls = urls;
    this.#cursor = cursor;
    this.#dice = dice;
    const { name, field } = staged;
    this.record = { name, organizationId, field, seen: [], cuts: 0, connections: 0, refusals: [] };
    this.#running = this.#run();
  }

  get name(): string {
    return this.#staged.name;
  }

  /** Destroys the connection of the moment. */
  cut(): void {
    this.record.cuts += 1;
    this.#connection?.destroy();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#connection?.destroy();
    await this.#running;
  }

  async #run(): Promise<void> {
    const connect = this.#staged.transport === 'WS' ? connectSocket : connectEventStream;
    while (!this.#isStopped) {
      this.record.connections += 1;
      // What comes after the end of a connection was never seen: the next one asks for it again.
      let isOpen = true;
      this.#connection = connect({
        url: this.#dice.pick(this.#urls),
        apiKey: this.#apiKey,
        query: this.#query(),
        onResult: (result) => isOpen && this.#heard(result),
      });
      await this.#connection.ended;
      isOpen = false;
      if (!this.#isStopped) await sleep(this.#dice.between(20, 400));
    }
  }

  #query(): string {
    const { field } = this.#staged;
    const entity = field === 'ticketCreated' ? 'ticket' : 'message';
    return `subscription { ${field}(after: "${this.#cursor}") { cursor ${entity} { id } } }`;
  }

  #heard({ data, errors }: StreamResult): void {
    for (const { message, extensions } of errors ?? [])
      this.record.refusals.push(extensions?.code ?? message);
    const event = data?.[this.#staged.field] as
      | { cursor: string; ticket?: { id: string }; message?: { id: string } }
      | null
      | undefined;
    if (!event) return;
    this.#cursor = event.cursor;
    const id = event.ticket?.id ?? event.message?.id ?? '';
    this.record.seen.push({ cursor: event.cursor, entity: uuidOf(id) });
  }
}
