import { DatabaseSync } from 'node:sqlite';

/** SQLite's code for "somebody else holds the lock" (https://www.sqlite.org/rescode.html#busy). */
const BUSY = 5;

/**
 * Takes the lock that `file` stands for, or gives null when another process, or another holder in this one, has it.
 *
 * The operating system holds it, through an empty SQLite database: it is free in the instant its process dies, however
 * it dies. A file with a process id in it would be read before it is written, and outlive the process that it names.
 */
export function tryLockFile(file: string): Disposable | null {
  const database = new DatabaseSync(file);
  try {
    database.exec('begin exclusive');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === BUSY) return null;
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}
