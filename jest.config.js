/** Tests run as ES modules, straight from TypeScript; `npm test` gives Node the flag that this needs. */
export default {
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } } }],
  },
  testTimeout: 30_000,
  // Much of the time is spent waiting for processes that the tests start.
  maxWorkers: 3,
  reporters: ['default', ...(process.env.JEST_REPORT ? ['<rootDir>/test/countReporter.js'] : [])],
};
