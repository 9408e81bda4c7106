/**
 * What a process of a test takes over from this one, and nothing else: where programs are, and where Node keeps compiled
 * modules. Without the latter each start reads and compiles the whole server anew, which takes longer than most tests.
 */
export function inheritedEnvironment(): Record<string, string> {
  const { PATH = '', NODE_COMPILE_CACHE } = process.env;
  return { PATH, ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }) };
}
