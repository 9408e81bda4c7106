/** Starts what every test file shares. Nothing yet. */
export default function setup(): void {}
