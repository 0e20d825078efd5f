import fc from 'fast-check';

// The seed of the whole run of tests; without one fast-check draws its own. A failure prints it, and the path to the
// example.
const seed = process.env.CONVERGIO_TEST_SEED;
if (seed) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) });
