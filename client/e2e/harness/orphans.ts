// A worker whose vitest was killed would go on waiting for its scenario, and its browser with it.
process.once('disconnect', () => process.exit(1));
