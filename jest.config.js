/** Tests run as ES modules, straight from TypeScript; `npm test` gives Node the flag that this needs. */
export default {
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } } }],
  },
  // For what hangs: on a busy machine, commands that work in the background take their time.
  testTimeout: 180_000,
  // Much of the time is spent waiting for processes that the tests start.
  maxWorkers: 3,
  reporters: ['default', ...(process.env.JEST_REPORT ? ['<rootDir>/test/countReporter.js'] : [])],
};
