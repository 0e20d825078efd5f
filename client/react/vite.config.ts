import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    lib: {
      entry: { index: 'src/index.ts', charts: 'src/charts.ts', styles: 'src/styles.css' },
      formats: ['es'],
      fileName: (_format, name) => `${name}.js`,
    },
    target: 'es2022',
    minify: false,
    cssCodeSplit: true,
    cssMinify: true,
    sourcemap: true,
    rollupOptions: { external: ['react', 'react/jsx-runtime', '@convergio/telemetry', /^zustand/] },
  },
});
