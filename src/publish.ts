/** Where the publisher keeps how far it has come, in the read store. */
export const PUBLISHER_TABLE = 'publisher';
