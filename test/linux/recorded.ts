/** Where the recorded outcomes are, from the project's root. */
export const RECORDED = 'test/data/linux-commands.json';
