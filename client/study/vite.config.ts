import { defineConfig } from 'vite';
import { page } from '../scripts/page.mjs';

export default defineConfig(page('study', '../../infra/web'));
