// What TypeScript sees of `import '@convergio/telemetry-react/styles.css'`.
export {};
